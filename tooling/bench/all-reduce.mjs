// One sum between the devices of a mesh, beside a copy and an addition of as many bytes: what the host path costs.
//   node all-reduce.mjs [--devices 2] [--megabytes 4] [--runs 40]
import { parseArgs } from 'node:util'
import { devicePut, Mesh, MeshDevice, P, PartitionSpec, withShardingConstraint } from '@jora/shard'
import { jit } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'

const { values: flags } = parseArgs({
  options: {
    devices: { type: 'string', default: '2' },
    megabytes: { type: 'string', default: '4' },
    runs: { type: 'string', default: '40' },
  },
})
const [count, megabytes, runs] = /** @type {[number, number, number]} */ (
  [flags.devices, flags.megabytes, flags.runs].map(Number)
)
const length = megabytes * 2 ** 18
const mesh = new Mesh(['model'], [count])
const devices = []
for (let i = 0; i < count; i++) devices.push(await openCpuDevice({ threads: 1, manyPrograms: true }))
const device = new MeshDevice(mesh, { devices })
const terms = devicePut(new Float32Array(length).fill(1), device, new PartitionSpec([], { unreduced: ['model'] }), {
  shape: [length],
  dtype: 'f32',
})
const summed = jit((/** @type {import('@jora/tensor').Tensor} */ x) => withShardingConstraint(x, P()))
const [source, copy, sum] = [new Float32Array(length).fill(1), new Float32Array(length), new Float32Array(length)]

/** @param {() => Promise<void> | void} body */
async function timed(body) {
  const begun = performance.now()
  await body()
  return performance.now() - begun
}
const median = (/** @type {number[]} */ list) =>
  /** @type {number} */ ([...list].sort((a, b) => a - b)[Math.floor(list.length / 2)])

const [allReduce, floor] = [/** @type {number[]} */ ([]), /** @type {number[]} */ ([])]
for (let i = 0; i < runs + 5; i++) {
  const ms = await timed(async () => {
    const result = summed(terms)
    await device.synchronize()
    result.dispose()
  })
  const floorMs = await timed(() => {
    copy.set(source)
    for (let j = 0; j < length; j++) sum[j] = /** @type {number} */ (source[j]) + /** @type {number} */ (copy[j])
  })
  if (i < 5) continue // compiles, and finds its memory
  allReduce.push(ms)
  floor.push(floorMs)
}
const ratios = allReduce.map((ms, i) => ms / /** @type {number} */ (floor[i]))
console.log(
  JSON.stringify({
    devices: count,
    megabytes,
    allReduceMs: median(allReduce),
    copyAndAddMs: median(floor),
    ratio: median(ratios),
  }),
)
await device.close()
