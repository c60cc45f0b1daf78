// Plans of steps on the CPU: what is planned to fit fits, layer by layer, and memory follows the length.
import { parseConfig } from '@jora/llama'
import { describe, expect, test } from 'vitest'
import { tinyConfig } from '../../../llama/test/tiny-model'
import { layersToRecompute, plannedShape, planStep } from './plan'
import type { Workload } from './workload'

const layers = 6
const modelOf = (depth: number) =>
  plannedShape(
    parseConfig({
      ...tinyConfig,
      hidden_size: 256,
      intermediate_size: 768,
      num_hidden_layers: depth,
      num_attention_heads: 4,
      num_key_value_heads: 2,
      head_dim: 64,
    }),
    'f32',
  )
const model = modelOf(layers)
const lora = { r: 4, alpha: 4, dropout: 0, targetModules: ['q_proj', 'v_proj'], useRslora: false }
const work = (seq: number): Workload => ({ batch: 1, seq, accumulation: 1, lora })
const where = { profile: 'cpu', dtype: 'f32' } as const
const peak = async (seq: number, checkpointing: number) =>
  (await planStep(model, work(seq), { ...where, checkpointing })).totalBytes

describe('a plan on the CPU', () => {
  test('falls by the same with each layer that is recomputed', async () => {
    const at = await Promise.all([0, 2, 4].map((count) => peak(256, count)))
    expect(at[0]! - at[1]!).toBeGreaterThan(0)
    expect((at[1]! - at[2]!) / (at[0]! - at[1]!)).toBeCloseTo(1, 1)
  })

  test('grows with the length, not with its square', async () => {
    const [short, middle, long] = await Promise.all([256, 512, 1024].map((seq) => peak(seq, 0)))
    expect((long! - middle!) / (middle! - short!)).toBeLessThan(2.4)
    expect((long! - middle!) / (middle! - short!)).toBeGreaterThan(1.8)
  })

  test('in 8 bits: linear layers are codes, which the forward pass has once more, and activations take half', async () => {
    // Of few tokens activations are small beside weights.
    const planned = async (dtype: 'f32' | 'int8', depth = layers) =>
      await planStep(modelOf(depth), work(4), { ...where, dtype, checkpointing: 0 })
    const [floats, codes] = [await planned('f32'), await planned('int8')]
    const linear = layers * (2 * 256 ** 2 + 2 * 256 * 128 + 3 * 256 * 768)
    expect((floats.weightBytes - codes.weightBytes) / linear).toBeCloseTo(3, 1)
    // Once more each, and some for a layer's own nodes, which 4 tokens hardly fill; its update has the model of the others.
    const deeper = await planned('int8', 2 * layers)
    const more = (deeper.activationBytes - codes.activationBytes) / linear
    expect(more).toBeGreaterThan(1.2)
    expect(more).toBeLessThan(2)
    const kept = async (dtype: 'f32' | 'int8') => {
      const [all, some] = await Promise.all(
        [0, 2].map((checkpointing) => planStep(model, work(1024), { ...where, dtype, checkpointing })),
      )
      return all!.totalBytes - some!.totalBytes
    }
    expect((await kept('int8')) / (await kept('f32'))).toBeLessThan(0.75)
  })

  test('recomputes no layer more than fits ask for, and what it then takes fits', async () => {
    const [kept, least] = [await peak(1024, 0), await peak(1024, layers)]
    const choose = (memoryBytes: number) => layersToRecompute(model, work(1024), { ...where, memoryBytes })
    expect(await choose(10 * kept)).toBe(0)
    // A plan may be some percent too low.
    expect(await choose(1.06 * kept)).toBe(0)
    expect(await choose(kept)).toBeGreaterThan(0)
    expect(await choose(least / 2)).toBe(layers)
    const between = least + 0.9 * (kept - least)
    const count = await choose(between)
    expect(await peak(1024, count)).toBeLessThanOrEqual(between)
    expect(count).toBeGreaterThan(0)
    expect(count).toBeLessThan(layers)
  })
})
