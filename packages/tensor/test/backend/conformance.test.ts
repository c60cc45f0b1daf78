// One suite for all backends: every op against the float64 interpreter, and every gradient against finite differences.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCpuDevice } from '../../src/backend-onnx/index'
import { findAdapter, openWebGpuDevice } from '../../src/backend-webgpu/index'
import { WebGpuDevice } from '../../src/backend-webgpu/device/device'
import { lowerGraph } from '../../src/backend-webgpu/fusion/lower'
import { makeGraph, mul, printGraph, setDefaultDevice, sum, tensor } from '../../src/index'
import type { Device, Tensor } from '../../src/index'
import { isCollective, opRules, type OpName } from '../../src/ir/op'
import { cases, type Case } from './cases'
import { checkDonated, checkGradients, checkValues, hostInputs, toTensors } from './compare'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined

/** A backend joins here. `once`: kernels that differ in numbers only are run for the first of their cases. */
const backends: { name: string; open: () => Promise<Device>; missing?: boolean; once?: boolean }[] = [
  { name: 'onnx', open: () => openCpuDevice({ threads: 2 }) },
  { name: hasGpu ? 'webgpu' : 'webgpu (needs a WebGPU adapter)', open: () => openWebGpuDevice(), missing: !hasGpu },
  {
    name: `webgpu, kernels for hardware${hasGpu ? '' : ' (needs a WebGPU adapter)'}`,
    open: () => openWebGpuDevice({ profile: { software: false }, tune: false }),
    missing: !hasGpu,
    once: true,
  },
]

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
      // Collectives run between devices, not on one.
      const ops = (Object.keys(opRules) as OpName[]).filter((op) => !isCollective(op))
      expect(ops.filter((op) => !seen.has(op))).toEqual([])
    })

    for (const c of cases) test(`${c.name}: values`, () => checkValues(c))
    for (const c of cases)
      test(`${c.name}: each input donated`, () =>
        checkDonated(c, (graph, i) => {
          if (!(device instanceof WebGpuDevice)) return true
          return lowerGraph(graph, device.profile, { donated: [i] }).replaces.includes(i)
        }))
    const once = (c: Case) => !(backend.once && c.kernelsOf !== undefined)
    for (const c of cases.filter((one) => one.smooth && once(one)))
      test(`${c.name}: gradients`, () => checkGradients(c))

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
