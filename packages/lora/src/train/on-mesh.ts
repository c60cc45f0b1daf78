// What a run does otherwise on a mesh: where adapter and batches are placed, and what its processes must agree on.
import { weightSharding, type DecoderConfig } from '@jora/llama'
import { devicePut, MeshDevice, P, type PartitionSpec } from '@jora/shard'
import type { Device, MemoryStats, Tensor } from '@jora/tensor'
import type { Adapter } from '../adapter/adapter'
import { mapParts } from '../adapter/methods'
import type { PartName } from '../adapter/methods/method'
import { tensorName } from '../adapter/whole/weights'
import { ConfigError } from '../settings/lora-config'
import type { ObjectiveName } from './objectives/objective'

/** The axis of the mesh that a batch's rows are split over. */
const dataAxis = 'data'

/** How a batch's arrays are placed: rows, or groups of label slots, over the data axis. */
export const batchSharding = P(dataAxis)

/** How many runs of rows a batch is cut into: one for each part of the mesh's data axis. */
export const dataGroups = (device: Device): number => (device instanceof MeshDevice ? device.mesh.along(dataAxis) : 1)

/** How a tensor of a module's adapter is split where its weight is split by `out` and `input`. */
const partSpec = (name: Exclude<PartName, 'weight'>, out: readonly string[], input: readonly string[]): PartitionSpec =>
  name === 'magnitude' || name === 'lengths'
    ? P(out)
    : name === 'rows'
      ? P()
      : name === 'loraA' || name === 'initialA'
        ? P(null, input)
        : P(out, null)

/**
 * The adapter, split over the mesh as the layers it is added to: for a layer split by column B is, for one split by row
 * A is. A layer's products then join its own sum, and no activation moves for the adapter's sake (Shoeybi et al. 2019
 * for the layer itself).
 */
export function placeAdapter(adapter: Adapter, model: DecoderConfig, device: Device): Adapter {
  if (!(device instanceof MeshDevice)) return adapter
  const specOf = weightSharding(model, device.mesh)
  return Object.fromEntries(
    Object.entries(adapter).map(([module, parts]) => {
      const whole = specOf(tensorName(module))
      const [out = [], input = []] = whole.dimensions
      const place = (part: Tensor, name: PartName): Tensor => {
        const placed = devicePut(part, device, name === 'weight' ? whole : partSpec(name, out, input))
        if (placed !== part) part.dispose()
        return placed
      }
      return [module, mapParts(parts, place)]
    }),
  )
}

/**
 * The micro-batches of one optimiser step, as many joined as it takes to give each of `groups` a row. The step's samples, and
 * so its loss and gradient, stay the same.
 */
export function joinForGroups<T>(micro: readonly (readonly T[])[], groups: number): readonly (readonly T[])[] {
  const largest = Math.max(...micro.map((rows) => rows.length))
  const together = Math.ceil(groups / largest)
  const joined: T[][] = []
  for (let i = 0; i < micro.length; i += together) joined.push(micro.slice(i, i + together).flat())
  return joined
}

/**
 * Checks that a step's rows can be split over the mesh's data axis, and that it has a sample for each part.
 * @throws ConfigError when they cannot, or it has fewer
 */
export function checkDataParallel(
  groups: number,
  batchSize: number,
  accumulation: number,
  objective: ObjectiveName = 'sft',
): void {
  if (objective !== 'sft' && groups > 1)
    throw new ConfigError(
      `objective is ${objective}, which rows cannot be split for: mesh has data=${groups}, expected data=1`,
    )
  if (groups > batchSize * accumulation)
    throw new ConfigError(
      `mesh has data=${groups}, but a step has ${batchSize * accumulation} samples (batch size ${batchSize}, ${accumulation} micro-steps); use data=${batchSize * accumulation} or less, or larger steps`,
    )
}

/** Whether any process of the job was asked to stop, and the memory of every device of it. */
export async function agree(device: Device, stopping: boolean): Promise<{ stopping: boolean; memory: MemoryStats[] }> {
  if (!(device instanceof MeshDevice)) return { stopping, memory: [await device.memory()] }
  const own = device.kind === 'cpu' ? [await device.memory()] : await device.memories()
  const all = await device.gatherNumbers([stopping ? 1 : 0, ...own.flatMap((m) => [m.bytes, m.peakBytes])])
  const memory = all.flatMap(([, ...numbers]) =>
    own.map((_, i) => ({ bytes: numbers[2 * i]!, peakBytes: numbers[2 * i + 1]! })),
  )
  return { stopping: all.some(([flag]) => flag === 1), memory }
}

/** Whether `says` is true in any process of the job. All of them must call it. */
export async function anyProcess(device: Device, says: boolean): Promise<boolean> {
  if (!(device instanceof MeshDevice)) return says
  return (await device.gatherNumbers([says ? 1 : 0])).some(([flag]) => flag === 1)
}

/** Whether this process is one of several that run the same program. */
export const isJob = (device: Device): boolean => device instanceof MeshDevice && device.transport !== undefined

/** Whether this process writes the run's files: in a job of several, only the first does. */
export const writesFiles = (device: Device): boolean =>
  !(device instanceof MeshDevice) || (device.transport?.rank ?? 0) === 0

/**
 * The bytes that `read` returns in the first process of a job, in all of them: files need to be on its host only.
 * @throws what `read` throws there
 */
export async function fromFirst(device: Device, read: () => Promise<Uint8Array>): Promise<Uint8Array> {
  if (!(device instanceof MeshDevice) || !device.transport) return read()
  return device.fromFirst(device.transport.rank === 0 ? await read() : undefined)
}
