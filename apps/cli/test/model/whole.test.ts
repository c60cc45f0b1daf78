// The model itself, trained by the command line: what is left is a model for every command that takes one.
import { existsSync, readFileSync } from 'node:fs'
import { openModel } from '@jora/llama'
import { afterAll, describe, expect, test } from 'vitest'
import { jora, modelSource, workspace } from '../harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

const words = (text: string): string[] => text.split(' ')
const train = (out: string, more: string) => [
  'train',
  '--model',
  path('model'),
  '--dataset',
  path('rows.json'),
  '--output-dir',
  path(out),
  ...words(
    `--device cpu --prompt-template alpaca --batch-size 4 --gradient-accumulation-steps 1 --split 0.8 --lr 0.001 ${more}`,
  ),
]

describe.skipIf(modelSource === undefined)('the model itself', () => {
  test('is trained, asked, measured and exported', async () => {
    const full = await jora(train('full', '--finetuning-type full --max-steps 3 --save-dtype bf16'))
    expect(full.err).toContain('all weights')
    expect(full.err).toContain('The model is in')
    expect(full.code, full.err).toBe(0)
    await using model = await openModel(path('full'), { local: true })
    expect([...model.weights.entries.values()].every(({ type }) => type === 'BF16')).toBe(true)
    const config = JSON.parse(readFileSync(path('full', 'config.json'), 'utf8')) as Record<string, unknown>
    expect(config.torch_dtype ?? config.dtype).toBe('bfloat16')
    const named = ['--model', path('full'), '--device', 'cpu']
    const asked = await jora(['generate', ...named, '--instruction', 'Say the word red.', '--max-new-tokens', '3'])
    expect(asked.code, asked.err).toBe(0)
    const measured = await jora(['eval', ...named, '--dataset', path('rows.json'), '--split', '0.8', '--json'])
    expect(measured.code, measured.err).toBe(0)
    const exported = await jora(['export', '--format', 'gguf', '--model', path('full'), '--output', path('full.gguf')])
    expect(exported.code, exported.err).toBe(0)
    expect(existsSync(path('full.gguf'))).toBe(true)
    // A checkpoint is a model too.
    await using kept = await openModel(path('full', 'checkpoints', 'step-00000003'), { local: true })
    expect(kept.weights.entries.get('model.norm.weight')!.type).toBe('F32')
  })

  test('is trained the same on a mesh', async () => {
    const lossOf = async (out: string, more: string) => {
      const { code, out: json, err } = await jora(train(out, `--max-steps 2 --json ${more}`))
      expect(code, err).toBe(0)
      return (JSON.parse(json) as { finalLoss: number }).finalLoss
    }
    const layers = '--finetuning-type freeze --trainable-layers 1 --modules-to-save embed_tokens --optimizer muon'
    const one = await lossOf('one', layers)
    expect(Math.abs((await lossOf('two', `${layers} --mesh data=2,model=2`)) - one)).toBeLessThan(1e-4)
  })

  test('is estimated with what the optimiser keeps of it', async () => {
    const args = ['estimate', '--model', path('model'), '--device', 'cpu', '--seq', '64', '--json']
    const of = async (more: readonly string[]) => {
      const { code, out, err } = await jora([...args, ...more])
      expect(code, err).toBe(0)
      return JSON.parse(out) as { parameters: number; estimates: { stateBytes: number }[] }
    }
    const { parameters, estimates } = await of(['--finetuning-type', 'full'])
    expect(estimates[0]!.stateBytes).toBe(12 * parameters)
    expect((await of([])).estimates[0]!.stateBytes).toBeLessThan(estimates[0]!.stateBytes / 4)
  })

  test('what it cannot be trained with is refused by name', async () => {
    const of = async (more: string) => (await jora(train('none', more))).err
    expect(await of('--finetuning-type full --lora-r 8')).toContain('--lora-r is 8 beside finetuningType full')
    expect(await of('--finetuning-type full --quantize int8')).toContain(
      '--quantize is int8 beside finetuningType full',
    )
    expect(await of('--finetuning-type freeze --layers-to-transform 99')).toContain('99')
  })
})
