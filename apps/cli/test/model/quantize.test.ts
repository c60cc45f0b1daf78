// --quantize from the command line: what it saves, that a run and its answers take it, and what is refused.
import { mkdtempSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jora, modelSource, workspace } from '../harness'

describe.skipIf(!modelSource)('--quantize', () => {
  let files: ReturnType<typeof workspace>
  beforeAll(() => {
    files = workspace()
  })
  afterAll(() => files.remove())

  const fields = <T>(text: string): T => JSON.parse(text) as T

  test('estimate knows that int8 takes fewer bytes', async () => {
    const bytesOf = async (quantize: string) => {
      const { code, out, err } = await jora(
        ['estimate', '--model', files.path('model'), '--seq', '32', '--quantize', quantize, '--json'],
        {},
      )
      expect(code, err).toBe(0)
      return fields<{ estimates: { weightBytes: number }[] }>(out).estimates[0]!.weightBytes
    }
    expect(await bytesOf('int8')).toBeLessThan(await bytesOf('none'))
  })

  test('a run records it, goes on with it alone, and answers come from it', async () => {
    const out = mkdtempSync(files.path('out-')) // a retry begins anew
    const base = ['--model', files.path('model'), '--device', 'cpu']
    const run = [...base, '--dataset', files.path('rows.json'), '--output-dir', out, '--prompt-template', 'alpaca']
    const train = (...more: string[]) =>
      jora(['train', ...run, '--save-every', '1', '--gradient-accumulation-steps', '1', ...more])
    const first = await train('--quantize', 'int8', '--max-steps', '1')
    expect(first.code, first.err).toBe(0)
    const record = fields<{ settings: { quantize: string } }>(readFileSync(`${out}/run.json`, 'utf8'))
    expect(record.settings.quantize).toBe('int8')
    const other = await train('--max-steps', '2', '--resume')
    expect(other.code).not.toBe(0)
    expect(other.err).toContain('quantize')
    const ask = ['generate', ...base, '--adapter', out, '--prompt', 'Say', '--max-new-tokens', '2', '--json']
    const answer = await jora([...ask, '--quantize', 'int8'])
    expect(answer.code, answer.err).toBe(0)
    expect(fields<{ tokens: number[] }>(answer.out).tokens.length).toBeGreaterThan(0)
  })

  test('a method that there is not is a usage error', async () => {
    const { code, err } = await jora([
      'generate',
      '--model',
      files.path('model'),
      '--prompt',
      'x',
      '--quantize',
      'int4',
    ])
    expect(code).toBe(2)
    expect(err).toMatch(/--quantize.*none, int8.*nf4/)
  })
})
