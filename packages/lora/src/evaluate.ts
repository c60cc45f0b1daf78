// Evaluation: mean loss and perplexity over samples, without dropout.
import { disposeTree, jit, sum, tensor, type Device, type Tensor } from '@jora/tensor'
import { tokenLosses, type Decoder } from '@jora/llama'
import { collate, planBatches, type Sample } from '@jora/data'
import { loraLinear, type Adapter } from './adapter'
import type { LoraConfig } from './lora-config'

export interface Evaluation {
  /** Mean −log p of the labelled tokens, in nats. */
  readonly loss: number
  /** e^loss. */
  readonly perplexity: number
  readonly targetTokens: number
  readonly samples: number
}

/** Evaluates a model with or without an adapter, keeping compiled programs between calls. */
export class Evaluator {
  readonly #device: Device | undefined
  readonly #losses

  constructor(decoder: Decoder, lora?: LoraConfig, device?: Device) {
    this.#device = device
    this.#losses = jit((adapter: Adapter, tokens: Tensor, labelRows: Tensor, labels: Tensor) => {
      const linear = lora ? { linear: loraLinear(adapter, lora) } : {}
      return sum(tokenLosses({ ...decoder, ...linear }, { tokens }, { labelRows, labels }))
    })
  }

  /**
   * Mean loss over `samples`; the adapter is `{}` for the base model.
   * @throws the signal's reason once it is aborted
   */
  async run(
    samples: readonly Sample[],
    adapter: Adapter,
    { batchSize, padId, signal }: { batchSize: number; padId: number; signal?: AbortSignal | undefined },
  ): Promise<Evaluation> {
    const upload = (data: Int32Array, shape: readonly number[]) =>
      tensor(data, { shape, ...(this.#device ? { device: this.#device } : {}) })
    let [total, targetTokens] = [0, 0]
    for (const indices of planBatches(samples, { batchSize, epoch: 0, seed: 0, shuffle: true })) {
      signal?.throwIfAborted()
      const batch = collate(samples, indices, { padId })
      const inputs = [
        upload(batch.tokens, [batch.batchSize, batch.seqLen]),
        upload(batch.labelRows, [batch.labelRows.length]),
        upload(batch.labels, [batch.labels.length]),
      ] as const
      const loss = this.#losses(adapter, ...inputs)
      total += await loss.item()
      disposeTree([loss, ...inputs])
      targetTokens += batch.targetTokens
    }
    const loss = total / targetTokens
    return { loss, perplexity: Math.exp(loss), targetTokens, samples: samples.length }
  }

  dispose(): void {
    this.#losses.dispose()
  }
}
