// What memory a training step takes: the step itself on a device that plans and runs nothing.
import { chooseDType, type DTypeSetting } from '@jora/lora'
import { weightShapes, type Decoder, type LlamaConfig } from '@jora/llama'
import { disposeTree, Tensor, treeLeaves, type DType, type Device } from '@jora/tensor'
import type { GpuProfile, PlanningDevice } from '@jora/tensor/webgpu'
import { StepLoop, type Workload } from './workload'

export interface StepPlan {
  readonly dtype: 'f32' | 'f16'
  readonly weightBytes: number
  /** Adapter and AdamW's moments. */
  readonly stateBytes: number
  /** All else at the worst moment: the arena that the step's values share, the batch, gradients that are summed. */
  readonly activationBytes: number
  readonly totalBytes: number
  readonly dispatches: number
}

export interface PlannedModel {
  readonly config: LlamaConfig
  /** Its weights on a planning device, where they take their place but hold nothing. */
  readonly open: (device: PlanningDevice) => Promise<Decoder>
}

/** Weights that are on no disk. */
export const plannedShape = (config: LlamaConfig, dtype: DType): PlannedModel => ({
  config,
  open: (device) => {
    const entries = [...weightShapes(config)].map(
      ([name, shape]) => [name, Tensor.fromBuffer(device.reserve({ shape, dtype }), name)] as const,
    )
    return Promise.resolve({ config, weights: Object.fromEntries(entries) })
  },
})

const bytesOf = (tensors: readonly Tensor[]): number => tensors.reduce((n, { sizeBytes }) => n + sizeBytes, 0)

export async function planStep(
  model: PlannedModel,
  work: Workload,
  options: { profile: GpuProfile; dtype: DTypeSetting; checkpointing: boolean },
): Promise<StepPlan> {
  const { openPlanningDevice } = await import('@jora/tensor/webgpu')
  const device = openPlanningDevice(options.profile)
  const decoder = await model.open(device)
  const dtype = await chooseDType(options.dtype, device as Device, decoder.weights)
  const loop = new StepLoop({ ...decoder, dtype, checkpointLayers: options.checkpointing }, work, device)
  const before = device.counters.dispatches
  loop.take()
  const dispatches = device.counters.dispatches - before
  const weightBytes = bytesOf(Object.values(decoder.weights))
  const stateBytes = bytesOf(treeLeaves(loop.state))
  const { peakBytes } = await device.memory()
  disposeTree([loop.state, decoder.weights])
  return {
    dtype,
    weightBytes,
    stateBytes,
    activationBytes: peakBytes - weightBytes - stateBytes,
    totalBytes: peakBytes,
    dispatches,
  }
}

/** What every GPU is taken to have, where nobody said how much memory there is: WebGPU does not tell. */
export const assumedMemoryBytes = 4e9

/** Whether layers are checkpointed under `auto`: only where the step would not fit otherwise. */
export async function needsCheckpointing(
  model: PlannedModel,
  work: Workload,
  options: { profile: GpuProfile; dtype: DTypeSetting; memoryBytes: number | undefined },
): Promise<boolean> {
  const { memoryBytes = assumedMemoryBytes } = options
  const { totalBytes } = await planStep(model, work, { ...options, checkpointing: false })
  return totalBytes > memoryBytes
}
