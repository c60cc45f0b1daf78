// Which modules settings name, and their ranks: as PEFT itself decides (goldens of its own functions).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import { tinyConfig } from '../../../llama/test/tiny-model'
import { adaptedModules, ConfigError, defaultLoraConfig, loraRank, loraScaling, parsePeftConfig } from '../index'
import { checkLoraConfig } from '../settings/lora-config'
import { isTarget, linearModules, rankNote } from './target-modules'

const model = parseConfig(tinyConfig)
const names = linearModules(model).map(({ name }) => name)
const golden = JSON.parse(readFileSync(join(import.meta.dirname, '../../test/goldens/peft-modules.json'), 'utf8')) as {
  targets: { settings: Record<string, unknown>; modules: string[] }[]
  patterns: { pattern: Record<string, number>; values: Record<string, number> }[]
}

const whole = (name: string) => `model.layers.${name}`

test.each(golden.targets)('targets $settings', ({ settings, modules }) => {
  const config = parsePeftConfig({ peft_type: 'LORA', r: 1, lora_alpha: 1, ...settings }, 'a.json')
  expect(names.filter((name) => isTarget(name, config))).toEqual(modules.map(whole))
})

test.each(golden.patterns)('patterns $pattern', ({ pattern, values }) => {
  const expected = Object.fromEntries(Object.entries(values).map(([name, value]) => [whole(name), value]))
  const config = { r: 99, alpha: 1, useRslora: false, rankPattern: pattern }
  for (const name of names) expect(loraRank(config, name), name).toBe(expected[name] ?? 99)
})

test('the factor takes rank and alpha of the module, with rsLoRA the root of its own rank', () => {
  const config = {
    r: 8,
    alpha: 16,
    useRslora: false,
    rankPattern: { q_proj: 4 },
    alphaPattern: { 'mlp.*': 32, q_proj: 6 },
  }
  const factor = (name: string, useRslora = false) => loraScaling({ ...config, useRslora }, `model.layers.0.${name}`)
  expect(factor('self_attn.k_proj')).toBe(2)
  expect(factor('self_attn.q_proj')).toBe(1.5)
  expect(factor('self_attn.q_proj', true)).toBe(3)
  expect(factor('mlp.up_proj')).toBe(4)
  expect(factor('mlp.up_proj', true)).toBe(32 / Math.sqrt(8))
})

test('a rank that a module cannot use is told of, as PEFT trains it all the same', () => {
  const lora = { ...defaultLoraConfig, targetModules: ['q_proj', 'v_proj'] }
  expect(rankNote(model, { ...lora, r: 16 })).toBeUndefined()
  expect(rankNote(model, { ...lora, r: 32 })).toMatch(
    /^rank 32 is larger than model\.layers\.0\.self_attn\.v_proj \(16 × 32\) can use; \d+ modules would do with 16$/,
  )
  expect(rankNote(model, { ...lora, rankPattern: { 'layers.1.self_attn.q_proj': 33 } })).toBe(
    'rank 33 is larger than model.layers.1.self_attn.q_proj (32 × 32) can use; it would do with 32',
  )
})

describe('what is refused', () => {
  test('settings that name nothing', () => {
    const refuses = (settings: object, message: RegExp) =>
      expect(() => adaptedModules(model, { targetModules: ['q_proj'], ...settings })).toThrow(message)
    refuses(
      { targetModules: 'q_proj' },
      /targetModules "q_proj" matches none of the model's modules; it has q_proj, .* in layers 0…2/,
    )
    refuses({ layersToTransform: [5] }, /excludeModules and layersToTransform leave none/)
    refuses({ excludeModules: ['q_proj'] }, /leave none/)
  })
  test('patterns that are none, ranks and alphas out of range', () => {
    const check = (change: object) => () => checkLoraConfig({ ...defaultLoraConfig, ...change })
    expect(check({ rankPattern: { 'q_proj(': 2 } })).toThrow('rankPattern "q_proj(" is not a regular expression')
    expect(check({ rankPattern: { q_proj: 0.5 } })).toThrow('rankPattern "q_proj" is 0.5, expected an integer ≥ 1')
    expect(check({ alphaPattern: { q_proj: -1 } })).toThrow('alphaPattern "q_proj" is -1, expected a number > 0')
    expect(check({ targetModules: '(' })).toThrow(ConfigError)
    expect(check({ excludeModules: '(' })).toThrow('excludeModules is not a regular expression')
    expect(check({ targetModules: '.*', layersToTransform: 1 })).toThrow('cannot be combined with a regular expression')
  })
})
