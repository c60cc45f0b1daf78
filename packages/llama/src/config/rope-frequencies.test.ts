// Rotary frequencies against transformers' (plain, linear and Llama 3 scaling), and the tables made of them.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jit, setDefaultDevice, tensor, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { parseConfig } from './config'
import { inverseFrequencies, ropeTables } from './rope-frequencies'

interface Goldens {
  cases: { headDim: number; theta: number; scaling: Record<string, unknown> | null; invFreq: number[] }[]
}

const { cases } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../test/goldens/rope-scaling.json'), 'utf8'),
) as Goldens

const configOf = (headDim: number, theta: number, scaling: Record<string, unknown> | null, newStyle = false) =>
  parseConfig({
    model_type: 'llama',
    vocab_size: 8,
    hidden_size: 4 * headDim,
    intermediate_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 4,
    ...(newStyle
      ? { rope_parameters: { rope_theta: theta, ...scaling } }
      : { rope_theta: theta, rope_scaling: scaling }),
  })

describe('inverse frequencies equal transformers', () => {
  for (const { headDim, theta, scaling, invFreq } of cases) {
    test(`head ${headDim}, theta ${theta}, ${JSON.stringify(scaling)}`, () => {
      for (const newStyle of [false, true]) {
        const actual = inverseFrequencies(configOf(headDim, theta, scaling, newStyle))
        expect(actual).toHaveLength(invFreq.length)
        actual.forEach((f, i) => expect(Math.abs(f / invFreq[i]! - 1), `${i}`).toBeLessThan(3e-6))
      }
    })
  }

  test('all three kinds of scaling are among them', () => {
    const kinds = new Set(cases.map(({ scaling }) => scaling?.rope_type ?? scaling?.type ?? 'default'))
    expect([...kinds].sort()).toEqual(['default', 'linear', 'llama3'])
  })
})

describe('tables', () => {
  let device: Device
  beforeAll(async () => {
    device = await openCpuDevice({ threads: 1 })
    setDefaultDevice(device)
  })
  afterAll(async () => {
    setDefaultDevice(undefined)
    await device.close()
  })

  test('hold cos and sin of position times frequency, for any positions', async () => {
    const config = configOf(8, 10_000, { rope_type: 'linear', factor: 4 })
    const positions = [
      [0, 1, 2],
      [7, 100, 4000],
    ]
    const { cos, sin } = jit((p: Tensor) => ropeTables(config, p))(tensor(positions, { dtype: 'i32' }))
    expect(cos.shape).toEqual([2, 3, 4])
    const [c, s] = [await cos.data(), await sin.data()]
    positions.flat().forEach((position, row) =>
      inverseFrequencies(config).forEach((f, i) => {
        expect(c[row * 4 + i]).toBeCloseTo(Math.cos(position * f), 3)
        expect(s[row * 4 + i]).toBeCloseTo(Math.sin(position * f), 3)
      }),
    )
  })
})
