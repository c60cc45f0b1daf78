// The step that bench times and estimate plans: the trainer's own, on full rows of which every token is labelled.
import { collate, type Batch } from '@jora/data'
import type { Decoder } from '@jora/llama'
import type { Device, OptimizerName } from '@jora/tensor'
import { emptyAdapter, initAdapter, startsFromBase } from '../adapter/adapter'
import type { LoraConfig } from '../settings/lora-config'
import { dataGroups, joinForGroups, placeAdapter } from '../train/on-mesh'
import { apartOf } from '../adapter/apart'
import type { TrainState } from '../train/step/train-state'
import { initState, TrainingStep, type StepResult } from '../train/step/training-step'

/** The size of a training step. */
export interface Workload {
  /** Rows of a micro-step. */
  readonly batch: number
  /** Tokens of a row. */
  readonly seq: number
  /** Micro-steps of a step. */
  readonly accumulation: number
  readonly lora: LoraConfig
  /** AdamW when absent. */
  readonly optimizer?: OptimizerName | undefined
}

const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }

/** The micro-batches of a step, as a run on a mesh of `groups` data parts joins them. */
function batchesOf({ batch, seq, accumulation }: Workload, vocabSize: number, groups: number): Batch[] {
  const samples = Array.from({ length: batch }, (_, row) => {
    const ids = Int32Array.from({ length: seq }, (_, i) => (i * 7919 + row * 104729) % vocabSize)
    return { ids, labels: ids, row }
  })
  const micro = Array.from({ length: accumulation }, () => [...samples.keys()])
  return joinForGroups(micro, groups).map((rows) => collate(samples, rows, { padId: 0, groups }))
}

/** A training step that can be taken again and again. */
export class StepLoop {
  readonly stepper: TrainingStep
  /** Tokens the device computes in a step, padding included. */
  readonly tokens: number
  state: TrainState
  readonly #batches: readonly Batch[]
  #step = 0

  constructor(decoder: Decoder, work: Workload, device: Device) {
    const { lora, optimizer } = work
    const constants = { ...adamw, ...apartOf(work) }
    this.stepper = new TrainingStep(decoder, { lora, adamw: constants, optimizer, maxGradNorm: 1 }, device)
    // A method that starts from the base would read weights that a plan has not.
    const adapter = startsFromBase(work.lora)
      ? emptyAdapter(decoder.config, work.lora, device)
      : initAdapter(decoder.config, work.lora, 1, device)
    this.state = initState(placeAdapter(adapter, decoder.config, device), { optimizer, adamw: constants })
    this.#batches = batchesOf(work, decoder.config.vocabSize, dataGroups(device))
    this.tokens = this.#batches.reduce((n, { batchSize, seqLen }) => n + batchSize * seqLen, 0)
  }

  /** Starts a step. The loss says when it ran. */
  take(): StepResult {
    const result = this.stepper.run(this.state, this.#batches, { step: ++this.#step, learningRate: 1e-4, seed: 1 })
    this.state = result.state
    return result
  }
}
