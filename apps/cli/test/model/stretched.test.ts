// Positions stretched by the command line: a note names the flag, and adapter, merged model and GGUF file are used as was trained.
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { jora, modelSource, workspace } from '../harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

const words = (text: string): string[] => text.split(' ')
const train = (out: string, more = '') => [
  'train',
  '--model',
  path('model'),
  '--dataset',
  path('long.json'),
  '--output-dir',
  path(out),
  ...words(`--device cpu --prompt-template none --split 0.5 --max-seq-length 512 --max-steps 1 ${more}`.trim()),
]
const json = (file: string) => JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
describe.skipIf(modelSource === undefined)('positions stretched', () => {
  test('are said, kept with the adapter, and exported', async () => {
    const config = { ...json(path('model', 'config.json')), max_position_embeddings: 64 }
    writeFileSync(path('model', 'config.json'), JSON.stringify(config))
    const rows = ['red', 'blue', 'green', 'black'].map((word) => ({
      instruction: `Say the word ${word}. `.repeat(20),
      output: word,
    }))
    writeFileSync(path('long.json'), JSON.stringify(rows))
    const plain = await jora(train('plain'))
    expect(plain.err).toMatch(/samples? longer than the 64 positions the model was made for; --rope-scaling yarn/)
    expect(plain.code, plain.err).toBe(0)
    const refused = await jora(train('none', '--rope-scaling dynamic'))
    expect(refused.err).toContain('yarn, linear or llama3')
    const short = await jora(train('none', '--rope-scaling yarn --max-seq-length 64'))
    expect(short.err).toContain('--rope-scaling is yarn beside maxSeqLength 64')

    const yarn = await jora(train('yarn', '--rope-scaling yarn --rope-scaling-factor 8'))
    expect(yarn.code, yarn.err).toBe(0)
    expect(yarn.err).not.toContain('positions the model was made for')
    const asked = ['--model', path('model'), '--adapter', path('yarn'), '--device', 'cpu']
    const question = ['--instruction', 'Say the word red. '.repeat(20), '--max-new-tokens', '2']
    const answer = await jora(['generate', ...asked, ...question])
    expect(answer.code, answer.err).toBe(0)
    const base = await jora(['generate', '--model', path('model'), '--device', 'cpu', ...question])
    expect(base.err).toContain('the model takes at most 64')
    const measured = await jora(['eval', ...asked, '--dataset', path('long.json'), '--split', '0.5', '--json'])
    expect(measured.code, measured.err).toBe(0)
    const lines = readFileSync(path('yarn', 'metrics.jsonl'), 'utf8').trim().split('\n')
    const trained = lines.map((line) => JSON.parse(line) as { type: string; loss: number })
    const { loss } = JSON.parse(measured.out) as { loss: number }
    expect(Math.abs(loss - trained.findLast(({ type }) => type === 'eval')!.loss)).toBeLessThan(1e-4)

    const merged = await jora([
      'merge',
      '--model',
      path('model'),
      '--adapter',
      path('yarn'),
      '--output-dir',
      path('merged'),
    ])
    expect(merged.code, merged.err).toBe(0)
    expect(json(path('merged', 'config.json'))).toMatchObject({ max_position_embeddings: 512 })
    const gguf = ['export', '--format', 'gguf', '--model', path('model'), '--adapter', path('yarn'), '--dtype', 'f32']
    const exported = await jora([...gguf, '--output', path('yarn.gguf'), '--check'])
    expect(exported.code, exported.err).toBe(0)
  })
})
