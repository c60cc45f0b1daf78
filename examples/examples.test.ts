// Every example runs in plain Node from the built packages, as a reader would run it, and says what it should.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

const here = import.meta.dirname
const needed = ['tensor', 'data', 'llama', 'lora']
const missing = needed.filter((name) => !existsSync(join(here, '..', 'packages', name, 'dist', 'index.js')))
const assets = join(here, '..', 'apps', 'cli', 'assets')
const hasModel = existsSync(join(assets, 'tiny-llama', 'model.safetensors'))

const files = readdirSync(here).filter((name) => name.endsWith('.mjs'))
const run = async (file: string, ...args: string[]) =>
  (await promisify(execFile)(process.execPath, [join(here, file), ...args], { timeout: 110_000 })).stdout

test('an example fits a screen', () => {
  const long = files.filter((name) => readFileSync(join(here, name), 'utf8').trimEnd().split('\n').length > 45)
  expect(long).toEqual([])
})

describe('examples', () => {
  beforeEach(({ skip }) => skip(missing.length > 0, `needs npm run build first (${missing.join(', ')})`))

  test('01-gradient finds the line', async () => {
    const out = await run('01-gradient.mjs')
    expect(out).toContain('step 0: loss 33.000000\n')
    expect(out).toContain('slope 2.00, offset 1.00\ncompiled 1 program\n')
  })

  test('02-jit-and-graph prints the graph and its gradient', async () => {
    const out = await run('02-jit-and-graph.mjs')
    expect(out).toContain('const weight:f32[2,2]')
    expect(out).toContain('= attention(v1, v1, v1, scale=0.707107)')
    expect(out).toContain('# attention/grad')
    // The frozen weight gets no gradient: the backward pass holds one product, the one to the input.
    expect(out.match(/= dot\(/g)).toHaveLength(3)
    expect(out.trimEnd()).toMatch(/\n31\.3\d+ 31\.3\d+\n4\.5 programs: 2$/)
  })

  describe('on the bundled model', () => {
    let adapter: string
    beforeAll(() => void (adapter = mkdtempSync(join(tmpdir(), 'jora-example-'))))
    afterAll(() => rmSync(adapter, { recursive: true, force: true }))
    beforeEach(({ skip }) => skip(!hasModel, 'needs the bundled model in apps/cli/assets'))

    test('03-train-with-the-library lowers the loss and leaves an adapter', async () => {
      const out = await run('03-train-with-the-library.mjs', adapter)
      expect(out).toMatch(/^\d+ samples to train, \d+ held out\n/)
      const losses = [...out.matchAll(/^step \d+\/12 loss ([\d.]+)/gm)].map((match) => Number(match[1]))
      expect(losses).toHaveLength(12)
      const sum = (part: number[]) => part.reduce((a, b) => a + b, 0)
      expect(sum(losses.slice(-4))).toBeLessThan(sum(losses.slice(0, 4)))
      expect(out).toMatch(/held-out loss \d/)
      expect(readdirSync(adapter)).toEqual(
        expect.arrayContaining(['adapter_config.json', 'adapter_model.safetensors', 'metrics.jsonl', 'run.json']),
      )
    })

    test('threads/run imports, trains in two phases, and reports the paper’s figures after each', async ({ skip }) => {
      skip(!existsSync(join(here, '../apps/cli/dist/main.js')), 'needs npm run build first')
      const out = await run('threads/run.mjs', '--out', join(adapter, 'threads'))
      expect(out.match(/^loss +[\d.]+$/gm)).toHaveLength(3)
      expect(out.match(/^target +[\d.]+%\nreply +[\d.]+%$/gm)).toHaveLength(3)
      expect(readdirSync(join(adapter, 'threads')).sort()).toEqual([
        'heldout.jsonl',
        'tables',
        'tables.jsonl',
        'threads',
        'threads.jsonl',
      ])
    })

    test('04-generate writes an answer with the base model and with that adapter', async () => {
      const answered = /### Response:\n[^]+\(the row's answer: .+\)\n$/
      expect(await run('04-generate.mjs')).toMatch(answered)
      expect(await run('04-generate.mjs', adapter)).toMatch(answered)
    })

    test('05-answer answers from documents with the base model, and with that adapter alone', async () => {
      const answered = /^[^]+\nfrom Peru; ended by (stop|length)\n$/
      expect(await run('05-answer.mjs')).toMatch(answered)
      expect(await run('05-answer.mjs', adapter)).toMatch(answered)
    })
  })
})
