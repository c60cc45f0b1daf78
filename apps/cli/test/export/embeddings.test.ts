// Embedding, head and rows of tokens that are trained beside the adapter, through the command line: trained, resumed, asked, merged.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jora, modelSource, workspace } from '../harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

const common = ['--model', path('model'), '--dataset', path('rows.json'), '--max-steps', '2', '--lora-r', '2']
const train = (output: string, ...more: string[]) =>
  jora(['train', ...common, '--output-dir', path(output), '--device', 'cpu', ...more])
const tokens = (adapter: string[], model = path('model')) =>
  jora([
    'generate',
    '--model',
    model,
    ...adapter,
    '--instruction',
    'Say 1.',
    '--max-new-tokens',
    '4',
    '--device',
    'cpu',
  ])

describe.skipIf(!modelSource).each([
  ['whole', ['--modules-to-save', 'embed_tokens,lm_head'], 'modules_to_save', ['embed_tokens', 'lm_head']],
  ['rows', ['--trainable-tokens', '5,9'], 'trainable_token_indices', [5, 9]],
] as const)('%s', (name, flags, key, value) => {
  let trained: Awaited<ReturnType<typeof train>>
  beforeAll(async () => {
    trained = await train(name, ...flags, '--learning-rate', '0.05')
  })

  test('the adapter says so, and is asked with it and merged the same', async () => {
    expect(trained).toMatchObject({ code: 0 })
    const config = JSON.parse(readFileSync(path(name, 'adapter_config.json'), 'utf8')) as Record<string, unknown>
    expect(config[key]).toEqual(value)
    const asked = await tokens(['--adapter', path(name)])
    expect(asked.code).toBe(0)
    const merged = path(`${name}-merged`)
    const from = ['--model', path('model'), '--adapter', path(name)]
    const merging = await jora(['export', '--format', 'hf', ...from, '--output', merged, '--check'])
    expect(merging).toMatchObject({ code: 0 })
    expect((await tokens([], merged)).out).toBe(asked.out)
    const refused = await jora(['export', '--format', 'gguf-lora', ...from, '--output', path('adapter.gguf')])
    expect(refused).toMatchObject({ code: 1 })
    expect(refused.err).toMatch(/of its own.*llama\.cpp cannot hold; merge it/)
    expect(existsSync(path('adapter.gguf'))).toBe(false)
  })

  // Once is enough.
  test.each(name === 'rows' ? [name] : [])(
    '%s: training goes on from it, by itself and with the settings it has',
    async () => {
      const other = await train(name, '--resume', '--max-steps', '3', '--learning-rate', '0.05')
      expect(other.code).not.toBe(0)
      expect(other.err).toMatch(/trainableTokenIndices was/)
      const next = await train(`${name}-next`, '--init-adapter', path(name))
      expect(next.code).toBe(0)
      const config = JSON.parse(readFileSync(path(`${name}-next`, 'adapter_config.json'), 'utf8')) as Record<
        string,
        unknown
      >
      expect(config[key]).toEqual(value)
    },
  )
})

test.skipIf(!modelSource)('what cannot be trained is refused before anything is written', async () => {
  writeFileSync(path('run.yaml'), 'modules_to_save: [embed_tokens, norm]\n')
  for (const [flags, message] of [
    [
      ['--config', path('run.yaml')],
      /modules_to_save: got "embed_tokens,norm", expected some of embed_tokens, lm_head/,
    ],
    [['--trainable-token-indices', '999999'], /trainable.*999999, expected ids of tokens/],
    [
      ['--trainable-token-indices', 'wte=3'],
      /expected ids of tokens separated by commas, or such ids by embed_tokens and lm_head/,
    ],
    [['--modules-to-save', 'lm_head', '--trainable-token-indices', '3'], /expected one of them/],
    [['--ensure-weight-tying'], /ensure-weight-tying is true, expected modulesToSave beside it/],
  ] as const) {
    const { code, err } = await train('refused', ...flags)
    expect({ code, err }).toMatchObject({ code: 2 })
    expect(err).toMatch(message)
  }
  expect(existsSync(path('refused'))).toBe(false)
})
