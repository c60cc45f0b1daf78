// Equation 1 on its own: the adapted linear layer against torchtune's known value and a product written out.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { add, jit, setDefaultDevice, tensor, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { loraLinear, type LoraConfig } from '../index'

const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../../shared')
const golden = join(shared, 'goldens/torchtune-lora-linear')

let device: Device
beforeAll(async () => {
  device = await openCpuDevice()
  setDefaultDevice(device)
})
afterAll(() => device.close())

const ramp = (...shape: number[]): Tensor => {
  const size = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Float32Array.from({ length: size }, (_, i) => i / size),
    { shape },
  )
}
const configOf = (r: number, alpha: number, useRslora = false): LoraConfig => ({
  r,
  alpha,
  dropout: 0,
  targetModules: ['q_proj'],
  useRslora,
})

describe.skipIf(!existsSync(golden))('torchtune (needs ../shared)', () => {
  test('the mean output of its test_forward', async () => {
    const bytes = readFileSync(join(golden, 'torch_randn_seed16_2x32x64.f32le.bin'))
    const x = tensor(new Float32Array(new Uint8Array(bytes).buffer), { shape: [2, 32, 64] })
    const adapter = { layer: { loraA: ramp(4, 64), loraB: ramp(128, 4) } }
    const [weight, bias] = [ramp(128, 64), ramp(128)]
    const run = jit((input: Tensor) => add(loraLinear(adapter, configOf(4, 1))('layer', input, weight), bias))
    const out = [...(await run(x).data())]
    const mean = out.reduce((a, b) => a + b, 0) / out.length
    expect(mean).toBeCloseTo(1.1252, 4)
  })
})

test('W₀x + (alpha/r)·B A x, alpha/√r with rsLoRA, and the base alone for other modules', async () => {
  const adapter = {
    layer: {
      loraA: tensor([
        [1, -1],
        [0, 2],
      ]),
      loraB: tensor([[3, 0]]),
    },
  }
  const weight = tensor([[1, 10]])
  const x = tensor([[2, 5]])
  const value = async (config: LoraConfig, name = 'layer') =>
    (await jit((input: Tensor) => loraLinear(adapter, config)(name, input, weight))(x).data())[0]
  // A x = (−3, 10), B A x = −9, W₀ x = 52
  expect(await value(configOf(2, 8))).toBeCloseTo(52 - 9 * 4, 5)
  expect(await value(configOf(2, 8, true))).toBeCloseTo(52 - (9 * 8) / Math.SQRT2, 4)
  expect(await value(configOf(2, 8), 'other')).toBe(52)
})
