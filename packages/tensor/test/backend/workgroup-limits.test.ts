// No kernel takes more of a workgroup than the adapter has, whatever the adapter: memory and lanes of every shader, planned.
import { afterEach, expect, test } from 'vitest'
import { openPlanningDevice, referenceGpu, type GpuProfile } from '../../src/backend-webgpu/index'
import * as j from '../../src/index'
import { TileChoices } from '../../src/backend-webgpu/device/tuning'
import { lowerGraph } from '../../src/backend-webgpu/fusion/lower'
import { everyGraph } from './every-graph'
import { products } from './half-products'

afterEach(() => void j.setDefaultDevice(undefined))

const elementBytes: Record<string, number> = { f32: 4, f16: 2, i32: 4, u32: 4, vec4f: 16 }

/** Bytes of workgroup memory that a shader declares, each array rounded up to 16 as Vulkan lays them out. */
const bytesOf = (code: string): number =>
  [...code.matchAll(/var<workgroup> \S+: array<(\w+), (\d+)>/g)].reduce(
    (sum, [, type, length]) => sum + Math.ceil((elementBytes[type!]! * Number(length)) / 16) * 16,
    0,
  )

const lanesOf = (code: string): number => Number(/@workgroup_size\((\d+)\)/.exec(code)![1])

const units = [
  { m: 16, n: 16, k: 16 },
  { m: 16, n: 8, k: 16 },
  { m: 8, n: 8, k: 8 },
]
const profiles: GpuProfile[] = [16384, 24576, 32768, 40960, 49152, 65536].flatMap((maxWorkgroupBytes) => [
  { ...referenceGpu, maxWorkgroupBytes, matrixUnits: [] },
  ...units.flatMap((unit) =>
    [8, 32, 64].map((subgroupSize) => ({
      ...referenceGpu,
      maxWorkgroupBytes,
      maxWorkgroupLanes: subgroupSize === 64 ? 256 : 1024,
      matrixUnits: [unit],
      subgroupSize,
    })),
  ),
])

test('every kernel fits every adapter, with every tile that could be chosen', () => {
  j.setDefaultDevice(openPlanningDevice(referenceGpu))
  const all = everyGraph()
  let onUnits = 0
  for (const profile of profiles) {
    // Tiles are remembered by number; each is tried once.
    for (let choice = 0; choice < 5; choice++) {
      const tiles = new TileChoices()
      tiles.choose = ({ candidates }) => Math.min(choice, candidates - 1)
      for (const graph of profile === profiles[0] || choice === 0 ? all : all.slice(-products.length - 1))
        for (const { code, label } of lowerGraph(graph, profile, { tiles }).dispatches) {
          if (code.includes('subgroupMatrixMultiplyAccumulate')) onUnits++
          const { maxWorkgroupBytes, maxWorkgroupLanes, subgroupSize } = profile
          const what = `${label} with ${maxWorkgroupBytes} bytes, subgroups of ${subgroupSize}`
          if (bytesOf(code) > maxWorkgroupBytes) expect.fail(`${what} takes ${bytesOf(code)} bytes`)
          if (lanesOf(code) > maxWorkgroupLanes) expect.fail(`${what} takes ${lanesOf(code)} lanes`)
        }
    }
  }
  expect(onUnits, 'kernels on matrix units').toBeGreaterThan(100)
})
