// What is on screen: the redrawn line, the sliding window, colours, stop texts, suggestions.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { StepEvent } from '@jora/lora'
import { describe, expect, test } from 'vitest'
import { nearest } from '../src/flags/suggest'
import type { Io } from '../src/io'
import { StopText } from '@jora/data'
import { duration, shellWord, short } from '../src/ui/format'
import { howCalled, program, shellPath } from '../src/ui/next-command'
import { styleFor } from '../src/ui/style'
import { factLine } from '../src/ui/table'
import { TrainDisplay } from '../src/ui/train-display'

function terminal(isTTY: boolean, columns: number, env: Io['env'] = { NO_COLOR: '1' }) {
  let written = ''
  const output = { write: (text: string) => void (written += text), isTTY, columns }
  const io: Io = {
    stdout: output,
    stderr: output,
    env,
    readStdin: async () => '',
    async *readLines() {},
    onInterrupt: () => () => {},
    endNow: () => {},
    turnToTell: async () => '',
  }
  return { io, written: () => written }
}

const step = (n: number, stepMs: number): StepEvent => ({
  type: 'step',
  step: n,
  epoch: 0,
  loss: 2.5,
  learningRate: 1e-4,
  gradNorm: 1,
  tokens: 1000,
  targetTokens: 10,
  samples: 1,
  stepMs,
  deviceBytes: [],
})

describe('TrainDisplay', () => {
  test('redraws one line that fits a terminal, and clears it for lines that stay', () => {
    const { io, written } = terminal(true, 80)
    const display = new TrainDisplay(io)
    display.begin(10)
    display.show(step(1, 9000))
    display.show(step(2, 500))
    display.show({ type: 'eval', step: 2, loss: 2, perplexity: 7.389 })
    display.show({ type: 'done', steps: 2, seconds: 1, peakDeviceBytes: [] })
    const drawn = written().split('\r\u001b[2K')
    expect(drawn.at(-2)).toBe('eval   step 2  held-out loss 2.0000  perplexity 7.39\n' + drawn[2])
    // The first step, which compiles, does not count.
    expect(drawn[2]).toMatch(/^━+─+ {3}2\/10 {2}loss 2\.5000 {2}lr 1\.00e-4 {2}2\.0k tokens\/s {2}ETA 4\.0 s$/)
    expect(Math.max(...drawn.map((line) => line.length))).toBeLessThan(160)
    expect(drawn[2]!.length).toBeLessThan(80)
    expect(drawn.at(-1)).toBe('')
  })

  test('tokens/s is that of the last twenty steps', () => {
    const { io, written } = terminal(true, 200)
    const display = new TrainDisplay(io)
    display.begin(100)
    for (let n = 1; n <= 30; n++) display.show(step(n, 1000))
    for (let n = 31; n <= 50; n++) display.show(step(n, 100))
    expect(written().split('\r\u001b[2K').at(-1)).toContain('10k tokens/s  ETA 5.0 s')
  })

  test('off a terminal: the first and the last step, and no control characters', () => {
    const { io, written } = terminal(false, 80)
    const display = new TrainDisplay(io)
    display.begin(50)
    for (let n = 1; n <= 50; n++) display.show(step(n, 10))
    expect(written()).toMatch(/^step {4}1\/50 .*\nstep {3}50\/50 .*\n$/)
  })

  test.each([
    [60, /^━─+ {2} 1\/10 {2}loss 2\.5000 {2}1\.0k tokens\/s {2}ETA 9\.0 s$/],
    [45, /^━─+ {2} 1\/10 {2}loss 2\.5000 {2}ETA 9\.0 s$/],
    [30, /^ 1\/10 {2}loss 2\.5000 {2}ETA 9\.0 s$/],
    [20, /^ 1\/10 {2}loss 2\.5000 $/],
  ])('%i columns: what matters least goes, and no line is wrapped', (columns, line) => {
    const { io, written } = terminal(true, columns)
    const display = new TrainDisplay(io)
    display.begin(10)
    display.show(step(1, 1000))
    const drawn = written().split('\r\u001b[2K').at(-1)!
    expect(drawn.length).toBeLessThan(columns)
    expect(drawn).toMatch(line)
  })

  test.each([120, 60, 40])('at the end bar and curve stay, on %i columns', (columns) => {
    const { io, written } = terminal(true, columns)
    const display = new TrainDisplay(io)
    display.begin(50)
    for (let n = 1; n <= 50; n++) display.show({ ...step(n, 10), loss: 5 - n / 20 })
    display.show({ type: 'done', steps: 50, seconds: 1, peakDeviceBytes: [] })
    display.close()
    const [last] = written().split('\r\u001b[2K').slice(-1)
    expect(last!.length).toBeLessThanOrEqual(columns)
    expect(last).toMatch(
      columns === 40
        ? /^50\/50 {2}loss 4\.9500 █[▁-█]+▁ 2\.5000\n$/
        : /^━+ {2}50\/50 {2}loss 4\.9500 █[▁-█]+▁ 2\.5000\n$/,
    )
  })

  test('facts that do not fit begin a new line', () => {
    const { io } = terminal(true, 24)
    const style = styleFor(io.stderr, io.env)
    expect(factLine(['one fact', 'another', 'a third one'], io.stderr, style)).toBe('one fact · another\n  a third one')
    expect(factLine(['one', 'two'], terminal(false, 4).io.stderr, style)).toBe('one · two')
  })
})

test('NO_COLOR wins over a terminal', () => {
  expect(styleFor(terminal(true, 80).io.stdout, { NO_COLOR: '1' }).green('x')).toBe('x')
  expect(styleFor(terminal(true, 80).io.stdout, {}).green('x')).toBe('\u001b[32mx\u001b[39m')
  expect(styleFor(terminal(false, 80).io.stdout, {}).green('x')).toBe('x')
})

describe('StopText', () => {
  const feed = (stops: string[], pieces: string[]) => {
    const found = new StopText(stops)
    const shown = pieces.map((piece) => found.push(piece))
    return { shown, rest: found.flush(), reached: found.reached }
  }
  test('holds back what may be a stop text and gives it when it is none', () => {
    expect(feed(['END'], ['a E', 'N', 'x'])).toEqual({ shown: ['a ', '', 'ENx'], rest: '', reached: false })
  })
  test('cuts before the first stop text, over pieces', () => {
    expect(feed(['END', '###'], ['a E', 'ND b', 'c'])).toEqual({ shown: ['a ', '', ''], rest: '', reached: true })
    expect(feed(['b', 'a'], ['cab'])).toEqual({ shown: ['c'], rest: '', reached: true })
  })
  test('gives the rest at the end', () =>
    expect(feed(['END'], ['EN'])).toEqual({ shown: [''], rest: 'EN', reached: false }))
})

test('numbers for people', () => {
  expect([0, 950, 4210, 52_300, 1_250_000].map(short)).toEqual(['0', '950', '4.2k', '52k', '1.3M'])
  expect([0.04, 9.96, 59.7, 751, 3723].map(duration)).toEqual(['0.0 s', '10 s', '1:00', '12:31', '1:02:03'])
  expect(['out/x', 'two words', "it's"].map(shellWord)).toEqual(['out/x', "'two words'", `'it'\\''s'`])
})

test('did you mean', () => {
  const known = ['lora-r', 'lora-rank', 'learning-rate', 'max-steps']
  expect(nearest('maxStep', known)).toBe('max-steps')
  expect(nearest('lraening_rate', known)).toBe('learning-rate')
  expect(nearest('temperature', known)).toBeUndefined()
})

test('next commands are as they can be typed', () => {
  expect(program({})).toBe('jora')
  expect(program({ calledAs: 'npx jora' })).toBe('npx jora')
  const folder = mkdtempSync(join(tmpdir(), 'jora-called-'))
  try {
    const script = join(folder, 'jora.mjs')
    const bin = join(folder, 'bin')
    writeFileSync(script, '')
    mkdirSync(bin)
    symlinkSync(script, join(bin, 'jora'))
    const clone = { npm_package_name: 'jora-monorepo', npm_command: 'run-script' }
    for (const event of ['quickstart', 'jora', 'doctor'])
      expect(howCalled({ ...clone, npm_lifecycle_event: event }, script)).toBe('npm run jora --')
    // A script of that name in a project of the user's own.
    expect(howCalled({ ...clone, npm_package_name: 'mine', npm_lifecycle_event: 'jora', PATH: bin }, script)).toBe(
      'jora',
    )
    expect(howCalled({ npm_command: 'exec' }, script)).toBe('npx jora')
    expect(howCalled({ npm_command: 'exec' }, '/home/me/.npm/_npx/1a2b/node_modules/.bin/jora')).toBe('npx @jora/cli')
    expect(howCalled({ PATH: `/usr/bin:${bin}` }, script)).toBe('jora')
    expect(howCalled({ PATH: `/usr/bin:${bin}` }, join(bin, 'jora'))).toBe('jora')
    expect(howCalled({ PATH: '/usr/bin' }, script)).toBe(`node ${shellPath(script)}`)
    expect(howCalled({}, join(folder, 'gone'))).toBe('jora')
  } finally {
    rmSync(folder, { recursive: true })
  }
  expect(shellPath(resolve('a b', 'model'))).toBe("'a b/model'")
  expect(shellPath('out')).toBe('out')
  expect(shellPath(resolve('.'))).toBe(resolve('.'))
  const root = resolve('/')
  expect(shellPath(root)).toBe(root) // ../../.. is longer
})
