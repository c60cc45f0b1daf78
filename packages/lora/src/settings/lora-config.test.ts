// LoRA settings: scale, ranges, and which modules a target names.
import { describe, expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import { tinyConfig } from '../../../llama/test/tiny-model'
import { adaptedModules, ConfigError, defaultLoraConfig, JoraConfig, loraScaling } from '../index'
import { checkLoraConfig } from './lora-config'
import { fingerprint } from '../runs/hashes'
import { settings } from './table'
import { checkTrainConfig, defaultTrainConfig } from './train-config'

const model = parseConfig(tinyConfig)
const names = (targetModules: readonly string[] | 'all-linear') =>
  adaptedModules(model, { targetModules }).map(({ name }) => name)

test("the defaults are the paper's", () => {
  expect(defaultLoraConfig).toEqual({
    r: 16,
    alpha: 16,
    dropout: 0.05,
    targetModules: ['q_proj', 'v_proj'],
    useRslora: false,
  })
})

test('scale is alpha / r, or alpha / √r', () => {
  expect(loraScaling({ r: 8, alpha: 32, useRslora: false }, 'q_proj')).toBe(4)
  expect(loraScaling({ r: 16, alpha: 32, useRslora: true }, 'q_proj')).toBe(8)
})

describe('targets', () => {
  test('by the last part of the name, with sizes, in checkpoint order', () => {
    expect(adaptedModules(model, { targetModules: ['v_proj', 'q_proj'] }).slice(0, 3)).toEqual([
      { name: 'model.layers.0.self_attn.q_proj', inFeatures: 32, outFeatures: 32 },
      { name: 'model.layers.0.self_attn.v_proj', inFeatures: 32, outFeatures: 16 },
      { name: 'model.layers.1.self_attn.q_proj', inFeatures: 32, outFeatures: 32 },
    ])
  })
  test('by several parts or the whole name', () => {
    expect(names(['self_attn.k_proj'])).toHaveLength(3)
    expect(names(['model.layers.2.mlp.up_proj'])).toEqual(['model.layers.2.mlp.up_proj'])
    expect(names(['layers.1.mlp.up_proj', 'layers.1.mlp.down_proj'])).toEqual([
      'model.layers.1.mlp.up_proj',
      'model.layers.1.mlp.down_proj',
    ])
  })
  test('all-linear: the seven projections of each layer, neither embedding nor head', () => {
    expect(names('all-linear')).toHaveLength(21)
    expect(
      names('all-linear').some((name) => name.includes('embed') || name.includes('head') || name.includes('norm')),
    ).toBe(false)
  })
  test('unknown and empty targets are refused', () => {
    expect(() => names(['q_proj', 'c_attn'])).toThrow(
      'target module "c_attn" is not in the model; it has q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, or all-linear for all of them',
    )
    expect(() => names(['proj'])).toThrow(ConfigError)
    expect(() => names(['lm_head'])).toThrow(ConfigError)
    expect(() => names([])).toThrow('targetModules is empty')
  })
})

describe('ranges', () => {
  test('of LoRA settings', () => {
    const check = (change: object) => () => checkLoraConfig({ ...defaultLoraConfig, ...change })
    expect(check({ r: 0 })).toThrow('r is 0, expected an integer ≥ 1')
    expect(check({ r: 1.5 })).toThrow('r is 1.5')
    expect(check({ alpha: 0 })).toThrow('alpha is 0, expected a number > 0')
    expect(check({ dropout: 1 })).toThrow('dropout is 1, expected a number from 0 to below 1')
    expect(check({ dropout: 0 })).not.toThrow()
  })
  test('of training settings', () => {
    const check = (change: object) => () => checkTrainConfig({ ...defaultTrainConfig, ...change })
    expect(check({})).not.toThrow()
    const bad: Record<string, unknown[]> = {
      learningRate: [0, -1, NaN],
      scheduler: ['polynomial'],
      warmupSteps: [-1, 0.5],
      warmupRatio: [1, -0.1],
      weightDecay: [-1],
      adamBeta1: [1],
      adamBeta2: [-0.1, 1],
      adamEpsilon: [0],
      maxGradNorm: [-1, NaN],
      epochs: [0, 1.5],
      maxSteps: [0],
      evalEvery: [0.5],
      saveEvery: [0],
      batchSize: [0],
      gradientAccumulationSteps: [0],
      seed: [-1, 0.5],
    }
    for (const [key, values] of Object.entries(bad))
      for (const value of values)
        expect(check({ [key]: value }), `${key} ${String(value)}`).toThrow(
          new RegExp(`^${key} is ${String(value)}, expected `),
        )
  })
})

test('the fingerprint changes with what decides the course of training, and only with that', () => {
  const print = (change: object = {}, model = 'm', data = 'd') =>
    fingerprint({ ...defaultTrainConfig, ...change }, model, data)
  for (const change of [{ saveEvery: 3 }, { evalEvery: 1 }, { gradientCheckpointing: true }])
    expect(print(change)).toBe(print())
  for (const change of [
    { seed: 1 },
    { learningRate: 1 },
    { lora: { ...defaultLoraConfig, r: 8 } },
    { epochs: 1 },
    { maxSteps: 5 },
    { shuffle: false },
    { batchSize: 2 },
  ]) {
    expect(print(change), `${JSON.stringify(change)}`).not.toBe(print())
  }
  expect(print({}, 'other')).not.toBe(print())
  expect(print({}, 'm', 'other')).not.toBe(print())
})

test('a value that had another name in earlier versions is taken by it', () => {
  const { contextTemplate } = settings
  expect(contextTemplate.type.parse('document')).toBe('tags')
  expect(contextTemplate.type.problem('document')).toBeUndefined()
  expect(new JoraConfig({ modelPath: 'x', contextTemplate: 'document' as 'tags' }).settings.contextTemplate).toBe(
    'tags',
  )
  expect(() => contextTemplate.type.parse('marks')).toThrow('auto, tags or plain')
})

test('ids of tokens are read of the embedding or by module, shown so that they are read back, and joined', () => {
  const { type } = settings.trainableTokenIndices
  expect(type.parse('3, 17')).toEqual([3, 17])
  const apart = type.parse('embed_tokens=3,17 lm_head=4')
  expect(apart).toEqual({ embed_tokens: [3, 17], lm_head: [4] })
  expect(type.parse(type.show(apart))).toEqual(apart)
  expect(type.join!(type.parse('embed_tokens=3'), type.parse('lm_head=4'))).toEqual({ embed_tokens: [3], lm_head: [4] })
  for (const wrong of ['wte=3', 'lm_head=x', '3.5', '-1'])
    expect(() => type.parse(wrong), wrong).toThrow(/^(ids of tokens|integers ≥ 0) separated by commas/)
})
