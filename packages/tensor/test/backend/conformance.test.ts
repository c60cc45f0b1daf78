// One suite for all backends: every op against the float64 interpreter, and every gradient against finite differences.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCpuDevice } from '../../src/backend-onnx/index'
import { findAdapter, openWebGpuDevice } from '../../src/backend-webgpu/index'
import {
  disposeTree,
  makeGraph,
  mul,
  jit,
  printGraph,
  setDefaultDevice,
  sum,
  tensor,
  treeLeaves,
  valueAndGrad,
  verifyGraph,
  add,
} from '../../src/index'
import type { Device, Tensor } from '../../src/index'
import { shapeRules } from '../../src/ir/op'
import { cases, type Case } from './cases'
import { evaluate, numbers, type Nd } from './reference'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined

/** A backend joins here. */
const backends: { name: string; open: () => Promise<Device>; missing?: boolean }[] = [
  { name: 'onnx', open: () => openCpuDevice({ threads: 2 }) },
  { name: hasGpu ? 'webgpu' : 'webgpu (needs a WebGPU adapter)', open: () => openWebGpuDevice(), missing: !hasGpu },
  {
    name: `webgpu, kernels for hardware${hasGpu ? '' : ' (needs a WebGPU adapter)'}`,
    open: () => openWebGpuDevice({ profile: { software: false }, tune: false }),
    missing: !hasGpu,
  },
]

const asList = (result: Tensor | Tensor[]): Tensor[] => (Array.isArray(result) ? result : [result])

function hostInputs({ inputs }: Case): Nd[] {
  return inputs.map(({ shape, dtype, make }, i) => {
    const { data } = numbers(shape, i + 1)
    return { shape, data: data.map((x, at) => (dtype === 'f32' ? Math.fround(make(x, at)) : make(x, at))) }
  })
}

const arrays = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, bool: Uint8Array }
const toTensors = (c: Case, values: readonly Nd[]): Tensor[] =>
  c.inputs.map(({ shape, dtype }, i) => tensor(arrays[dtype].from(values[i]!.data), { shape, dtype }))

/** The f32 inputs, and a scalar that weighs every element of the outputs differently. */
const floatInputs = (c: Case): number[] =>
  c.inputs.flatMap((spec, i) => (spec.dtype === 'f32' && !spec.frozen ? [i] : []))
function scalarOf(c: Case, weights: readonly Tensor[]): (floats: Tensor[], all: Tensor[]) => Tensor {
  return (floats, all) => {
    const merged = all.slice()
    floatInputs(c).forEach((at, i) => (merged[at] = floats[i]!))
    return asList(c.fn(...merged))
      .map((out, i) => sum(mul(out, weights[i]!)))
      .reduce((a, b) => add(a, b))
  }
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  expect(actual.length, what).toBe(expected.length)
  let scale = 1
  for (let i = 0; i < expected.length; i++)
    if (Number.isFinite(expected[i]!)) scale = Math.max(scale, Math.abs(expected[i]!))
  for (let i = 0; i < expected.length; i++) {
    const difference = actual[i] === expected[i] ? 0 : Math.abs(actual[i]! - expected[i]!)
    if (!(difference <= tolerance * scale)) throw new Error(`${what}[${i}] is ${actual[i]}, expected ${expected[i]}`)
  }
}

for (const backend of backends) {
  describe.skipIf(backend.missing === true)(`conformance on ${backend.name}`, () => {
    let device: Device
    beforeAll(async () => {
      device = await backend.open()
      setDefaultDevice(device)
    })
    afterAll(async () => {
      setDefaultDevice(undefined)
      await device.close()
    })

    test('every op has a case', () => {
      const seen = new Set<string>()
      for (const c of cases) {
        const inputs = toTensors(c, hostInputs(c))
        for (const node of makeGraph((...xs: Tensor[]) => c.fn(...xs))(...inputs).nodes) seen.add(node.op)
      }
      // Written by grad itself, and covered through it below.
      for (const op of [
        'rmsNormGrad',
        'attentionGrad',
        'linearCrossEntropyGradInput',
        'linearCrossEntropyGradWeight',
        'barrier',
      ])
        seen.add(op)
      expect(Object.keys(shapeRules).filter((op) => !seen.has(op))).toEqual([])
    })

    for (const c of cases) {
      test(`${c.name}: values`, async () => {
        const host = hostInputs(c)
        const inputs = toTensors(c, host)
        const graph = makeGraph((...xs: Tensor[]) => c.fn(...xs))(...inputs)
        verifyGraph(graph)
        const expected = evaluate(graph, host)
        const outputs = asList(jit((...xs: Tensor[]) => c.fn(...xs))(...inputs))
        for (const [i, out] of outputs.entries()) expectClose(await out.data(), expected[i]!.data, 2e-6, `output ${i}`)
        disposeTree([...inputs, ...outputs])
      })

      if (!c.smooth) continue
      test(`${c.name}: gradients`, async () => {
        const host = hostInputs(c)
        const inputs = toTensors(c, host)
        const outShapes = makeGraph((...xs: Tensor[]) => c.fn(...xs))(...inputs).outputs.map((v) => v.aval.shape)
        const hostWeights = outShapes.map((shape, i) => numbers(shape, 100 + i))
        const weights = hostWeights.map(({ shape, data }) => tensor(Float32Array.from(data), { shape }))
        const floats = floatInputs(c)
        const wrt = floats.map((i) => inputs[i]!)
        const step = (fs: Tensor[], all: Tensor[], ws: Tensor[]) =>
          valueAndGrad((xs: Tensor[]) => scalarOf(c, ws)(xs, all))(fs)
        const graph = makeGraph(step)(wrt, inputs, weights)
        verifyGraph(graph)
        const [value, ...grads] = evaluate(graph, [...floats.map((i) => host[i]!), ...host, ...hostWeights])

        const lossGraph = makeGraph((fs: Tensor[], all: Tensor[], ws: Tensor[]) => scalarOf(c, ws)(fs, all))(
          wrt,
          inputs,
          weights,
        )
        const loss = (values: readonly Nd[]) => evaluate(lossGraph, [...values, ...host, ...hostWeights])[0]!.data[0]!
        for (const [slot, at] of floats.entries()) {
          const { data, shape } = host[at]!
          const stride = data.length > 300 ? data.length - 1 : Math.max(1, Math.floor(data.length / 12)) // a dozen elements, two of large inputs
          for (let e = 0; e < data.length; e += stride) {
            const nudge = (by: number) =>
              floats.map((i, s) =>
                s === slot ? { shape, data: data.map((x, k) => (k === e ? x + by : x)) } : host[i]!,
              )
            const numeric = (loss(nudge(1e-5)) - loss(nudge(-1e-5))) / 2e-5
            const analytic = grads[slot]!.data[e]!
            if (Math.abs(numeric - analytic) > 1e-6 * Math.max(1, Math.abs(numeric)))
              throw new Error(`∂/∂input${at}[${e}] is ${analytic}, finite differences say ${numeric}`)
          }
        }

        const [actualValue, actualGrads] = jit(step)(wrt, inputs, weights)
        expectClose(await actualValue.data(), value!.data, 1e-5, 'value')
        for (const [i, g] of treeLeaves(actualGrads).entries())
          expectClose(await g.data(), grads[i]!.data, 1e-5, `gradient ${i}`)
      })
    }

    test('printed graph', () => {
      const x = tensor([
        [1, 2],
        [3, 4],
      ])
      expect(printGraph(makeGraph((t: Tensor) => sum(mul(t, t)))(x))).toMatchInlineSnapshot(`
        "graph(x0:f32[2,2]) {
          v0:f32[2,2] = mul(x0, x0)
          v1:f32[] = sum(v0, axes=[0,1])
          return v1
        }"
      `)
    })
  })
}
