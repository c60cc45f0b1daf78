// Which type a run trains in, where `auto` leaves it to us.
import { answeringDType, weightShapes, type DecoderConfig, type DTypeSetting } from '@jora/llama'
import type { Device } from '@jora/tensor'
import { methodName, type LoraConfig } from '../settings/lora-config'
import type { ObjectiveName } from './objectives/objective'

/** What decides whether a run may train in 8 bits. */
export interface TrainedKind {
  readonly lora: LoraConfig
  /** `sft` when absent. */
  readonly objective?: ObjectiveName | undefined
}

/**
 * What a run computes in. `auto` is `int8` where it was measured to learn as much as f32, in less time and memory
 * (docs/results/rates.md): plain LoRA of answers, on a large model, on one CPU that adds products of 8 bits exactly.
 */
export const trainingDType = (
  setting: DTypeSetting,
  device: Pick<Device, 'kind' | 'activationBits'>,
  model: DecoderConfig,
  { lora, objective = 'sft' }: TrainedKind,
): DTypeSetting => {
  const isPlain =
    methodName(lora) === 'lora' && lora.modulesToSave === undefined && lora.trainableTokenIndices === undefined
  const mayRound = device.activationBits === 8 && objective === 'sft' && !lora.whole && isPlain
  return mayRound ? answeringDType(setting, device, weightShapes(model).values()) : setting
}
