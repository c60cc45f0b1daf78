// What memory a training step takes: the step itself on a device that plans and runs nothing.
import {
  chooseDType,
  placeQuantised,
  quantisedPlan,
  weightShapes,
  weightSharding,
  type Decoder,
  type DecoderConfig,
  type DTypeSetting,
  type OpenModel,
} from '@jora/llama'
import { MeshDevice, P, shardedFromFile, type Mesh, type PartitionSpec, type Transport } from '@jora/shard'
import {
  disposeTree,
  dtypeBytes,
  treeLeaves,
  type Aval,
  type DType,
  type Device,
  type Tensor,
  type Weight,
} from '@jora/tensor'
import { fromSafetensorsDType, isSafetensorsDType, toSafetensorsDType } from '@jora/tensor/safetensors'
import type { GpuProfile } from '@jora/tensor/webgpu'
import { withoutTrained } from '../adapter/replaced/apply'
import { multipliedWeights } from './flops'
import { StepLoop, type Workload } from './workload'

/** What a training step takes on one device, in bytes. */
export interface StepPlan {
  /** What it computes in; of `int8`, products alone are rounded. */
  readonly dtype: 'f32' | 'f16' | 'int8'
  readonly weightBytes: number
  /** Adapter and what the optimiser keeps beside it. */
  readonly stateBytes: number
  /** All else at the worst moment: the arena that the step's values share, the batch, gradients that are summed. */
  readonly activationBytes: number
  readonly totalBytes: number
  readonly dispatches: number
}

/** A model to plan for; its weights need not be read, or exist. */
export interface PlannedModel {
  readonly config: DecoderConfig
  /** Its weights on a planning device, or a mesh of them, where they take their place but hold nothing, as a run of `dtype` has them. */
  readonly open: (device: Device, dtype?: DTypeSetting) => Promise<Decoder>
}

/**
 * A model of this shape whose weights exist in no file.
 * @param dtype the stored type of all weights
 */
export const plannedShape = (config: DecoderConfig, dtype: DType): PlannedModel =>
  planned(config, (name, shape, { device, spec, put, int8 }) => {
    const plan = int8 && quantisedPlan(name, { type: toSafetensorsDType(dtype), shape }, undefined, 'trained')
    if (plan) return placeQuantised(plan, shape, { device, spec, put: (_part, aval, own) => put(aval, own) })
    return put({ shape, dtype }, spec)
  })

/** An open model, each weight as a device holds it; none is read. */
export const plannedModel = ({
  config,
  weights,
  quantize,
}: Pick<OpenModel, 'config' | 'weights'> & Partial<Pick<OpenModel, 'quantize'>>): PlannedModel =>
  planned(config, (name, shape, { device, spec, put, int8 }) => {
    const entry = weights.entries.get(name)!
    const plan = quantisedPlan(name, entry, quantize, int8 ? 'trained' : undefined)
    if (plan) return placeQuantised(plan, shape, { device, spec, put: (_part, aval, own) => put(aval, own) })
    // Vectors of blocks are unpacked.
    return put({ shape, dtype: isSafetensorsDType(entry.type) ? fromSafetensorsDType(entry.type)! : 'f32' }, spec)
  })

/** Where a planned weight takes its place. */
interface Place {
  readonly device: Device
  readonly spec: PartitionSpec
  /** Whether products are in 8 bits. */
  readonly int8: boolean
  put(aval: Aval, spec: PartitionSpec): Tensor
}

const planned = (
  config: DecoderConfig,
  place: (name: string, shape: readonly number[], where: Place) => Weight,
): PlannedModel => ({
  config,
  open: (device, dtype) => {
    const specOf = device instanceof MeshDevice ? weightSharding(config, device.mesh) : () => P()
    const entries = [...weightShapes(config)].map(([name, shape]) => {
      const put = (aval: Aval, spec: PartitionSpec) => {
        const length = aval.shape.reduce((a, b) => a * b, 1) * dtypeBytes[aval.dtype]
        return shardedFromFile({ path: 'nowhere', offset: 0, length }, aval, spec, { device, label: name })
      }
      return [name, place(name, shape, { device, spec: specOf(name), int8: dtype === 'int8', put })] as const
    })
    return Promise.resolve({ config, weights: Object.fromEntries(entries) })
  },
})

/** Bytes of what one device holds of these. */
const bytesOf = (tensors: readonly Tensor[]): number =>
  tensors.reduce((n, { buffer, shape, dtype }) => {
    const { device } = buffer
    const own = device instanceof MeshDevice ? device.sharding(buffer).shardShape(shape) : shape
    return n + own.reduce((a, b) => a * b, 1) * dtypeBytes[dtype]
  }, 0)

/** The others of a mesh of which only the first device is planned: they take what it sends and answer nothing. */
const others = (size: number): Transport => ({
  rank: 0,
  size,
  hosts: Array.from({ length: size }, () => 'nowhere'),
  exchange: () => Promise.resolve(),
  abort: (code) => process.exit(code),
  close: () => Promise.resolve(),
})

/** Where a step is planned. */
export interface PlannedOn {
  /** A GPU, or the CPU: there the process itself is counted with what activations take. */
  readonly profile: GpuProfile | 'cpu'
  readonly dtype: DTypeSetting
  /** Devices that share the work; without it, one. */
  readonly mesh?: Mesh
}

export async function planStep(
  model: PlannedModel,
  work: Workload,
  options: PlannedOn & { checkpointing: boolean | number },
): Promise<StepPlan> {
  const { mesh, profile } = options
  const gpu = profile === 'cpu' ? undefined : (await import('@jora/tensor/webgpu')).openPlanningDevice(profile)
  const planning = gpu ?? (await import('@jora/tensor/onnx')).openCpuPlan()
  const device: Device =
    mesh && mesh.size > 1 ? new MeshDevice(mesh, { devices: [planning], transport: others(mesh.size) }) : planning
  const opened = await model.open(device, options.dtype)
  const dtype = await chooseDType(options.dtype, device, opened.weights)
  const decoder = withoutTrained(opened, work.lora)
  const loop = new StepLoop({ ...decoder, dtype, checkpointLayers: options.checkpointing }, work, device)
  await device.synchronize()
  const before = gpu?.counters.dispatches ?? 0
  loop.take()
  await device.synchronize()
  const dispatches = (gpu?.counters.dispatches ?? 0) - before
  const weightBytes = bytesOf(treeLeaves(decoder.weights))
  const stateBytes = bytesOf(treeLeaves(loop.state))
  const { peakBytes } = await planning.memory()
  disposeTree([loop.state, decoder.weights])
  return {
    dtype: options.dtype === 'int8' ? options.dtype : dtype,
    weightBytes,
    stateBytes,
    activationBytes: peakBytes - weightBytes - stateBytes,
    totalBytes: peakBytes,
    dispatches,
  }
}

/** What every GPU is assumed to have, where nobody said how much memory there is: WebGPU does not report it. */
export const assumedMemoryBytes = 4e9

/**
 * Whether `auto` recomputes layers' activations: only where the step would not fit into memory otherwise.
 * @param options `memoryBytes`: 4 GB is assumed when undefined
 * @throws ModelError when the device lacks the dtype
 */
export async function needsCheckpointing(
  model: PlannedModel,
  work: Workload,
  options: PlannedOn & { memoryBytes: number | undefined },
): Promise<boolean> {
  const { memoryBytes = assumedMemoryBytes } = options
  const { totalBytes } = await planStep(model, work, { ...options, checkpointing: false })
  return totalBytes > memoryBytes
}

/** Bytes of activations a step takes at most, the head's apart: enough to see that a small step needs no plan. */
function mostActivationBytes({ layers, hiddenSize, intermediateSize, heads, headDim }: DecoderConfig, work: Workload) {
  return 4 * 1.5 * work.batch * work.seq * layers * (6 * hiddenSize + 4 * intermediateSize + 6 * heads * headDim)
}

/** What a step on the CPU takes beyond its plan, at most in what was measured. */
const planError = 0.05

/**
 * The fewest layers, from the first on, whose activations are to be recomputed so that a step on the CPU fits; all where it
 * does not even then.
 * @param memoryBytes what the process may take, what it has already included
 * @throws ModelError when the CPU lacks the dtype
 */
export async function layersToRecompute(
  model: PlannedModel,
  work: Workload,
  { memoryBytes, ...where }: PlannedOn & { memoryBytes: number },
): Promise<number> {
  const { layers, vocabSize, hiddenSize } = model.config
  // Weights as f32, and logits of a block of rows.
  const others = 4 * (multipliedWeights(model.config) + 2 * vocabSize * (hiddenSize + 512))
  if (mostActivationBytes(model.config, work) + others < memoryBytes / 2) return 0
  const total = async (checkpointing: number) =>
    (1 + planError) * (await planStep(model, work, { ...where, checkpointing })).totalBytes
  const kept = await total(0)
  if (kept <= memoryBytes) return 0
  const least = await total(layers)
  // Between the two, memory falls by the same for each layer; a layer more is for what the line does not say.
  const count = Math.ceil((layers * (kept - memoryBytes)) / Math.max(1, kept - least)) + 1
  return Math.min(layers, count)
}
