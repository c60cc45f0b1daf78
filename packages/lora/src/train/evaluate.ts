// Evaluation: mean loss and perplexity over samples, without dropout.
import { disposeTree, jit, sum, type Device } from '@jora/tensor'
import { tokenLosses, type Decoder } from '@jora/llama'
import {
  countAll,
  largest,
  packSamples,
  planShapes,
  readBatch,
  samplesOf,
  type Batch,
  type BatchRow,
  type Sample,
  type Samples,
} from '@jora/data'
import type { Adapter } from '../adapter/adapter'
import { withAdapter } from '../adapter/apply'
import { lossInputs, uploadBatch, type DeviceBatch } from './device-batch'
import type { LoraConfig } from '../settings/lora-config'

/** How well a model predicts the labelled tokens of some samples. */
export interface Evaluation {
  /** Mean −log p of the labelled tokens, in nats. */
  readonly loss: number
  /** e^loss. */
  readonly perplexity: number
  readonly targetTokens: number
  readonly samples: number
}

/** How {@link Evaluator.run} makes batches. */
export interface EvaluateOptions {
  /** Most rows of a batch; a row holds as many samples as fit into the longest one's tokens. */
  readonly batchSize: number
  /** Fills the end of shorter rows; never learned, never seen. */
  readonly padId: number
  /** Parts that each batch is cut into (default 1); see `collate`. */
  readonly groups?: number
  /** Aborting it ends the evaluation after the running batch. */
  readonly signal?: AbortSignal | undefined
  /** Called after each batch with how many samples are done, and how many there are. */
  readonly onProgress?: (done: number, total: number) => void
}

/** Evaluates a model with or without an adapter, keeping compiled programs between calls. */
export class Evaluator {
  readonly #device: Device | undefined
  readonly #losses

  constructor(decoder: Decoder, lora?: LoraConfig, device?: Device) {
    this.#device = device
    this.#losses = jit(
      (adapter: Adapter, batch: DeviceBatch) => {
        const model = lora ? withAdapter(decoder, adapter, lora) : decoder
        return sum(tokenLosses(model, ...lossInputs(batch)))
      },
      { maxPrograms: 2 },
    )
  }

  /**
   * Mean loss over `samples`; the adapter is `{}` for the base model.
   * @throws the signal's reason once it is aborted
   */
  async run(of: readonly Sample[] | Samples, adapter: Adapter, options: EvaluateOptions): Promise<Evaluation> {
    const samples = samplesOf(of)
    const { batchSize, padId, groups = 1, signal, onProgress } = options
    let [total, targetTokens, done] = [0, 0, 0]
    const { batches, batchOf } = planEvaluation(samples, { batchSize, padId, groups })
    for (const rows of batches) {
      signal?.throwIfAborted()
      const batch = await batchOf(rows)
      const inputs = uploadBatch(batch, this.#device)
      const loss = this.#losses(adapter, inputs)
      total += await loss.item()
      disposeTree([loss, inputs])
      targetTokens += batch.targetTokens
      done += batch.samples.length
      onProgress?.(done, samples.length)
    }
    const loss = total / targetTokens
    return { loss, perplexity: Math.exp(loss), targetTokens, samples: countAll(samples) }
  }

  /** Programs that were compiled so far. */
  get compiled(): number {
    return this.#losses.compiled
  }

  /** Releases the compiled programs. */
  dispose(): void {
    this.#losses.dispose()
  }
}

/** Batches of one shape that hold these samples with little padding: the rows of each, and how they are made. */
export function planEvaluation(
  samples: Samples,
  { batchSize, padId, groups = 1 }: Pick<EvaluateOptions, 'batchSize' | 'padId' | 'groups'>,
) {
  const batches = evenBatches(
    packSamples(
      samples,
      largest(samples, (i) => samples.tokensOf(i), 1),
    ),
    batchSize,
  )
  const [shape] = planShapes(samples, batches, { most: 1, groups })
  return {
    batches,
    batchOf: (rows: readonly BatchRow[]): Promise<Batch> => readBatch(samples, rows, { padId, groups, shape }),
  }
}

/** As few batches of at most `most` rows as hold these, of as even sizes as can be. */
function evenBatches<T>(rows: readonly T[], most: number): T[][] {
  const count = Math.ceil(rows.length / most)
  const size = Math.ceil(rows.length / count)
  return Array.from({ length: count }, (_, i) => rows.slice(i * size, (i + 1) * size)).filter((b) => b.length > 0)
}
