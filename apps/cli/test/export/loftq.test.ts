// LoftQ through the command line: an adapter of a quantised base is trained, resumed, asked on that base alone, and merged with it.
import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, describe, test } from 'vitest'
import { jora, modelSource, workspace } from '../harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

const common = ['--model', path('model'), '--dataset', path('rows.json'), '--device', 'cpu', '--learning-rate', '0.01']
const train = (output: string, ...more: string[]) =>
  jora(['train', ...common, '--output-dir', path(output), '--lora-r', '2', '--target-modules', 'all-linear', ...more])
const loftq = ['--init-lora-weights', 'loftq', '--quantize', 'int8']
const ask = (model: string, ...more: string[]) =>
  jora(['generate', '--model', model, '--instruction', 'Say 1.', '--max-new-tokens', '4', '--device', 'cpu', ...more])

describe.skipIf(!modelSource).each([1, 2])('%d rounds', (rounds) => {
  const name = `adapter-${rounds}`
  const two = [...loftq, '--loftq-iter', String(rounds), '--save-every', '1']
  let trained: Awaited<ReturnType<typeof train>>
  beforeAll(async () => {
    trained = await train(name, ...two, '--max-steps', '2')
  })

  test('the adapter tells its base, is asked on it and on no other, and is merged with it', async () => {
    expect(trained).toMatchObject({ code: 0 })
    const config = JSON.parse(readFileSync(path(name, 'adapter_config.json'), 'utf8')) as Record<string, unknown>
    expect(config).toMatchObject({ init_lora_weights: true, loftq_config: { loftq_bits: 8, loftq_iter: rounds } })
    expect(existsSync(path(name, 'loftq_base.safetensors'))).toBe(rounds > 1)
    const asked = await ask(path('model'), '--adapter', path(name), '--quantize', 'int8')
    expect(asked).toMatchObject({ code: 0 })
    const refused = await ask(path('model'), '--adapter', path(name))
    expect(refused.code).not.toBe(0)
    expect(refused.err).toMatch(/was started by LoftQ, and belongs to a base in 8 bits: .*--quantize int8/)
    const merged = path(`${name}-merged`)
    const from = ['--model', path('model'), '--adapter', path(name)]
    expect(await jora(['export', '--format', 'hf', ...from, '--output', merged, '--check'])).toMatchObject({ code: 0 })
    expect((await ask(merged)).out).toBe(asked.out)
    const gguf = await jora(['export', '--format', 'gguf-lora', ...from, '--output', path('adapter.gguf')])
    expect(gguf.err).toMatch(/was started by LoftQ.*merge it/)
  })

  // With more rounds there is more to keep.
  test.each(rounds === 2 ? [rounds] : [])(
    '%d: a stopped run goes on beside the same base, and its checkpoint is an adapter to start from',
    async () => {
      const whole = await train(`${name}-whole`, ...two, '--max-steps', '3')
      expect(whole.code).toBe(0)
      const losses = (folder: string) =>
        readFileSync(path(folder, 'metrics.jsonl'), 'utf8')
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as { type: string; step: number; loss: number })
          .filter(({ type }) => type === 'step')
          .map(({ loss }) => loss)
      const checkpoint = path(`${name}-whole`, 'checkpoints', 'step-00000002')
      const next = await train(`${name}-next`, '--quantize', 'int8', '--init-adapter', checkpoint, '--max-steps', '1')
      expect(next).toMatchObject({ code: 0 })
      expect(existsSync(path(`${name}-next`, 'loftq_base.safetensors'))).toBe(rounds > 1)
      const third = losses(`${name}-whole`)[2]!
      const resumed = await train(`${name}-whole`, ...two, '--max-steps', '3', '--resume', checkpoint)
      expect(resumed).toMatchObject({ code: 0 })
      expect(losses(`${name}-whole`)).toHaveLength(3)
      expect(Math.abs(losses(`${name}-whole`)[2]! - third)).toBeLessThan(1e-4)
    },
  )
})

test.skipIf(!modelSource)('LoftQ without a base to quantise is refused before anything is read', async () => {
  const { code, err } = await train('refused', '--init-lora-weights', 'loftq')
  expect({ code, err }).toMatchObject({ code: 2 })
  expect(err).toMatch(/--init-lora-weights is loftq, expected quantize nf4 or int8 beside it/)
  expect(existsSync(path('refused'))).toBe(false)
})
