// What training will take, before it starts: memory of a step with activations kept and recomputed, and which a run chooses.
import type { DecoderConfig, DTypeSetting } from '@jora/llama'
import type { Mesh } from '@jora/shard'
import { sizeOf } from '@jora/tensor'
import type { GpuProfile } from '@jora/tensor/webgpu'
import { trainedNumbers } from '../adapter/adapter'
import { methodOf, partsOf } from '../adapter/methods'
import { isTrained } from '../adapter/methods/method'
import { adaptedModules } from '../adapter/target-modules'
import type { LoraConfig } from '../settings/lora-config'
import { assumedMemoryBytes, planStep, type PlannedModel, type StepPlan } from './plan'
import type { Workload } from './workload'

/** The plan of one step, with or without activation checkpointing. */
export interface StepEstimate extends StepPlan {
  readonly checkpointing: boolean
  /** Whether a run with `gradientCheckpointing: 'auto'` would choose it. */
  readonly auto: boolean
  /** Null where the memory of the device is not known. */
  readonly fits: boolean | null
}

/** The device that {@link estimateStep} plans for. */
export interface EstimateOptions {
  /** A GPU's, or the CPU. */
  readonly profile: GpuProfile | 'cpu'
  readonly dtype: DTypeSetting
  readonly gradientCheckpointing: 'auto' | 'on' | 'off'
  /** Bytes of the device's memory; undefined where it is not known. */
  readonly memoryBytes: number | undefined
  /** Plan for one device of this mesh; absent: one device alone. */
  readonly mesh?: Mesh
}

/**
 * Plans a step of `work` on a device of this profile, or on one of a mesh of them, once with the layers' activations kept
 * and once recomputed, as far as `gradientCheckpointing` leaves a choice.
 * @throws ConfigError when the adapter does not fit the model
 */
export async function estimateStep(
  model: PlannedModel,
  work: Workload,
  { gradientCheckpointing, memoryBytes, ...where }: EstimateOptions,
): Promise<StepEstimate[]> {
  adaptedModules(model.config, work.lora)
  const estimates: StepEstimate[] = []
  let plainFits = false
  for (const checkpointing of [false, true]) {
    if (gradientCheckpointing === (checkpointing ? 'off' : 'on')) continue
    const plan = await planStep(model, work, { ...where, checkpointing })
    if (!checkpointing) plainFits = plan.totalBytes <= (memoryBytes ?? assumedMemoryBytes)
    estimates.push({
      checkpointing,
      ...plan,
      auto: gradientCheckpointing !== 'auto' || checkpointing !== plainFits,
      fits: memoryBytes === undefined ? null : plan.totalBytes <= memoryBytes,
    })
  }
  return estimates
}

/** Bytes of what is trained, adapter or weights, and of the two moments of AdamW, float32. @throws ConfigError when the adapter does not fit the model */
export const adapterStateBytes = (model: DecoderConfig, lora: LoraConfig): number =>
  lora.whole
    ? 3 * 4 * trainedNumbers(model, lora)
    : adaptedModules(model, lora)
        .flatMap((module) => partsOf(methodOf(lora).shapes(module, lora)))
        .reduce((bytes, [name, shape]) => bytes + (isTrained(name) ? 3 : 1) * 4 * sizeOf(shape), 0)
