// jora data raft, the built program, stopped at ten moments by Ctrl-C or kill -9: it goes on, and no result is made twice.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Random } from '@jora/data'
import { isBuilt, modelSource, spawnJora, workspace, type Spawned } from '../harness'

const space = workspace()
afterAll(() => space.remove())

const documents = 160
const random = new Random(11)
const words = Array.from({ length: 400 }, () => random.below(2 ** 31).toString(36))
const text = (count: number) => Array.from({ length: count }, () => words[random.below(words.length)]).join(' ')

beforeAll(() => {
  mkdirSync(space.path('docs'))
  const questions: string[] = []
  for (let d = 0; d < documents; d++) {
    writeFileSync(
      space.path('docs', `${d}.txt`),
      `${text(300)}\n\nThe keeper of house ${d} is called k${d}n.\n\n${text(300)}`,
    )
    questions.push(JSON.stringify({ question: `Who keeps house ${d}?`, answer: `k${d}n`, document: String(d) }))
  }
  writeFileSync(space.path('q.jsonl'), `${questions.join('\n')}\n`)
})

const raft = (output: string) =>
  spawnJora(
    ['data', 'raft', '--documents', 'docs', '--questions', 'q.jsonl', '--model', 'model', '--output', output],
    space.dir,
  )
const stages = ['files', 'cuts', 'golden', 'rows'] as const
const work = space.path('.out.jsonl.work')
const linesOf = (stage: string): string[] =>
  existsSync(`${work}/${stage}.jsonl`)
    ? readFileSync(`${work}/${stage}.jsonl`, 'utf8').split('\n').slice(0, -1).filter(Boolean)
    : []
const counts = () => stages.map((stage) => linesOf(stage).length)

/** Resolves once so many results are kept, or the program ended. */
async function kept(count: number, { child }: Spawned): Promise<void> {
  let size = -1
  while (child.exitCode === null && child.signalCode === null) {
    const now = stages.reduce(
      (sum, stage) => sum + (statSync(`${work}/${stage}.jsonl`, { throwIfNoEntry: false })?.size ?? 0),
      0,
    )
    if (now !== size && counts().reduce((a, b) => a + b) >= count) return
    size = now
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

describe.skipIf(!isBuilt || modelSource === undefined)('stopped and gone on with (needs a build)', () => {
  test('at ten moments', async () => {
    expect(await raft('whole.jsonl').ended).toMatchObject({ code: 0 })
    const whole = readFileSync(space.path('whole.jsonl'))
    const moments = Array.from({ length: 10 }, () => random.below(3.5 * documents)).sort((a, b) => a - b)
    let before = [0, 0, 0, 0]
    let stopped = 0
    for (const [i, moment] of moments.entries()) {
      const call = raft('out.jsonl')
      await kept(Math.max(moment, before.reduce((a, b) => a + b) + 1), call)
      const signal = i % 2 === 0 ? 'SIGINT' : 'SIGKILL'
      call.child.kill(signal)
      const ended = await call.ended
      expect(ended.err.includes('going on where the call before was stopped')).toBe(i > 0)
      for (const [s, what] of ['file', 'chunk', 'golden', 'context'].entries())
        if (before[s]! > 0) expect(ended.err).toMatch(new RegExp(`^${what}: ${before[s]} of \\d+ done before$`, 'm'))
      // It was done before the signal came.
      if (ended.code === 0) break
      stopped++
      if (signal === 'SIGINT') {
        expect(ended).toMatchObject({ code: 130 })
        expect(ended.err).toContain('stopped; the same command goes on from there\n')
      }
      expect(existsSync(space.path('out.jsonl'))).toBe(false)
      for (const stage of stages) {
        const numbers = linesOf(stage).map((line) => (JSON.parse(line) as [number])[0])
        expect(numbers).toEqual(numbers.map((_, n) => n))
      }
      before = counts()
    }
    // All are, where the machine does not make the signal late.
    expect(stopped).toBeGreaterThan(4)
    expect(await raft('out.jsonl').ended).toMatchObject({ code: 0 })
    expect(readFileSync(space.path('out.jsonl')).equals(whole)).toBe(true)
    expect(readdirSync(space.dir).filter((name) => name.startsWith('.'))).toEqual([])
  }, 120_000)

  test('with other settings it begins anew, and says so', async () => {
    rmSync(space.path('out.jsonl'), { force: true })
    const first = raft('out.jsonl')
    await kept(documents + 3, first)
    first.child.kill('SIGKILL')
    await first.ended
    writeFileSync(space.path('docs', '0.txt'), 'The keeper of house 0 is called k0n.')
    const { code, err } = await raft('out.jsonl').ended
    expect(code).toBe(0)
    expect(err).toContain('had other documents, questions or settings: beginning anew\n')
    expect(err).not.toContain('done before')
  })
})
