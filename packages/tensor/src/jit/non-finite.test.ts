// The first op that is not finite, on both devices: what it is called, and what is let pass.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCpuDevice } from '../backend-onnx/index'
import { findAdapter, openWebGpuDevice } from '../backend-webgpu/index'
import {
  add,
  cast,
  dot,
  exp,
  firstNonFinite,
  full,
  mul,
  scope,
  setDefaultDevice,
  showNonFinite,
  softmax,
  square,
  sum,
  tensor,
  valueAndGrad,
  where,
  type Device,
  type Tensor,
} from '../index'

await softwareVulkan()
const hasAdapter = (await findAdapter()) !== undefined

const devices = [
  { kind: 'cpu', open: () => openCpuDevice({ threads: 1 }), there: true },
  { kind: 'webgpu', open: () => openWebGpuDevice(), there: hasAdapter },
]
for (const { kind, open, there } of devices) {
  describe.skipIf(!there)(`on ${kind}${there ? '' : ' (needs a WebGPU adapter)'}`, () => {
    let device: Device
    beforeAll(async () => {
      setDefaultDevice((device = await open()))
    })
    afterAll(async () => {
      setDefaultDevice(undefined)
      await device.close()
    })
    const x = () => tensor([1, 2, 3, 4])

    test('an op that overflows, by its scope and its output, and not those after it', async () => {
      const f = (a: Tensor) => {
        const b = scope('layer 0', () => mul(a, 2))
        const c = scope('layer 1', () => scope('mlp', () => exp(mul(b, 30))))
        return { loss: sum(mul(c, c)), other: b }
      }
      const found = await firstNonFinite(f, [x()])
      expect(found).toEqual({
        op: 'exp',
        label: '',
        scope: 'layer 1/mlp',
        aval: { shape: [4], dtype: 'f32' },
        nan: 0,
        infinite: 3,
      })
      expect(showNonFinite(found!)).toBe('layer 1/mlp: exp(f32[4]) (3 of 4 elements)')
    })

    test('an op that makes NaN', async () => {
      const f = (a: Tensor) => mul(add(full([4], Infinity), a), sum(mul(a, 0)))
      expect(await firstNonFinite(f, [x()])).toMatchObject({ op: 'mul', nan: 4, infinite: 0 })
    })

    test('a weight that is NaN, by its name', async () => {
      const weight = tensor(Float32Array.of(1, NaN, 2, Infinity), { shape: [2, 2], label: 'q_proj.weight' })
      const f = (a: Tensor) => scope('attention', () => sum(dot(a, weight)))
      const found = await firstNonFinite(f, [tensor([[1, 1]])])
      expect(found).toMatchObject({ op: 'input', label: 'q_proj.weight', nan: 1, infinite: 1 })
      expect(showNonFinite(found!)).toBe('attention: q_proj.weight(f32[2,2]) (2 of 4 elements)')
    })

    test('an argument that is NaN', async () => {
      const found = await firstNonFinite((a: Tensor, b: Tensor) => add(a, b), [x(), tensor([1, 2, NaN, 4])])
      expect(showNonFinite(found!)).toBe('input(f32[4]) (1 of 4 elements)')
    })

    test('what the forward pass hides and the backward pass does not', async () => {
      const mask = tensor([1, 0], { dtype: 'bool' })
      const loss = (b: Tensor) => sum(where(mask, exp(b), 0))
      const a = tensor([1, 200])
      expect(await firstNonFinite(loss, [a])).toBeUndefined()
      const found = await firstNonFinite((b: Tensor) => valueAndGrad(loss)(b), [a])
      expect(found).toMatchObject({ op: 'exp', infinite: 1 })
    })

    test('masks of −∞, and what no result comes of, are let pass', async () => {
      const mask = tensor([1, 1, 0, 0], { dtype: 'bool' })
      const masked = (a: Tensor) => softmax(where(mask, a, -Infinity))
      expect(await firstNonFinite(masked, [x()])).toBeUndefined()
      expect(await firstNonFinite((a: Tensor) => where(mask, exp(mul(a, 40)), a), [x()])).toBeUndefined()
      expect(
        await firstNonFinite((a: Tensor, m: Tensor) => add(a, m), [x(), tensor([0, 0, 0, -Infinity])]),
      ).toBeUndefined()
      expect(await firstNonFinite((a: Tensor) => sum(square(a)), [x()])).toBeUndefined()
    })

    test('16-bit numbers', async () => {
      const f = (a: Tensor) => mul(cast(a, 'f16'), cast(a, 'f16'))
      expect(await firstNonFinite(f, [tensor([1, 200, 300, 4])])).toMatchObject({
        op: 'mul',
        aval: { dtype: 'f16' },
        infinite: 1,
      })
    })
  })
}
