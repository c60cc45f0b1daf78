import { expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import { tinyConfig } from '../../../llama/test/tiny-model'
import { defaultLoraConfig, trainingDType } from '../index'

const small = parseConfig(tinyConfig)
const large = parseConfig({ ...tinyConfig, vocab_size: 2 ** 20 })
const cpu = { kind: 'cpu', activationBits: 8 } as const
const lora = defaultLoraConfig

test('auto trains plain LoRA of a large model on a CPU in 8 bits', () => {
  expect(trainingDType('auto', cpu, large, { lora })).toBe('int8')
  expect(trainingDType('auto', cpu, large, { lora: { ...lora, useRslora: true }, objective: 'sft' })).toBe('int8')
})

test.each([
  ['a small model', cpu, small, { lora }],
  ['a processor that rounds activations to 7 bits', { ...cpu, activationBits: 7 }, large, { lora }],
  ['a mesh', { kind: 'cpu' }, large, { lora }],
  ['a GPU', { kind: 'webgpu' }, large, { lora }],
  ['DoRA', cpu, large, { lora: { ...lora, useDora: true } }],
  ['PiSSA', cpu, large, { lora: { ...lora, initLoraWeights: 'pissa' } }],
  ['a trained head', cpu, large, { lora: { ...lora, modulesToSave: ['lm_head'] } }],
  ['trained tokens', cpu, large, { lora: { ...lora, trainableTokenIndices: [3] } }],
  ['the whole model', cpu, large, { lora: { ...lora, whole: {} } }],
  ['preferences', cpu, large, { lora, objective: 'dpo' }],
] as const)('auto is left to the model on %s', (_of, device, model, kind) => {
  expect(trainingDType('auto', device, model, kind)).toBe('auto')
})

test('what was asked for is what is trained in', () => {
  for (const asked of ['f32', 'f16', 'int8'] as const) expect(trainingDType(asked, cpu, large, { lora })).toBe(asked)
})
