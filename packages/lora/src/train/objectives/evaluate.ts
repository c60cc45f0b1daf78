// Evaluation of preferences: the loss, and how often the model finds the better answer better.
import { add, cast, concat, disposeTree, gt, jit, mul, reshape, sum, type Device, type Tensor } from '@jora/tensor'
import type { Decoder } from '@jora/llama'
import { samplesOf, type PreferenceSample, type Samples } from '@jora/data'
import type { Adapter } from '../../adapter/adapter'
import { withAdapter } from '../../adapter/apply'
import type { LoraConfig } from '../../settings/lora-config'
import { uploadBatch } from '../device-batch'
import { planEvaluation, type EvaluateOptions } from '../evaluate'
import { mostSamplesOf, preferenceBatch, uploadAnswers, type AnswerBatch } from './answers'
import { sumOf } from './math'
import type { Preference } from './objective'

/** How well a model tells better answers from worse ones. */
export interface PreferenceEvaluation {
  /** Mean of the objective over the samples. */
  readonly loss: number
  /** e^(mean −log p) of the tokens of the first answers: the chosen ones of pairs. */
  readonly perplexity: number
  /** Share of samples whose margin has the right sign. */
  readonly accuracy: number
  /** Mean margin; see `Preference`. */
  readonly margin: number
}

/** Evaluates preferences, keeping compiled programs between calls. */
export class PreferenceEvaluator {
  readonly #device: Device
  readonly #figures

  constructor(decoder: Decoder, lora: LoraConfig, device: Device, { rule, beta }: { rule: Preference; beta: number }) {
    this.#device = device
    const figures = (adapter: Adapter, inputs: AnswerBatch): Tensor => {
      const policy = withAdapter(decoder, adapter, lora)
      const batch = preferenceBatch(rule, policy, decoder, inputs)
      const margin = rule.margin(batch, beta)
      const right = cast(gt(mul(margin, batch.signs), 0), 'f32')
      const sums: Tensor[] = [
        rule.loss(batch, beta),
        sumOf(right, batch),
        sumOf(margin, batch),
        sum(batch.policy.first),
        sum(batch.tokens.first),
      ]
      return concat(
        sums.map((each) => reshape(add(each, 0), [1])),
        0,
      )
    }
    this.#figures = jit(figures, { maxPrograms: 2 })
  }

  /** Figures over `samples`. @throws the signal's reason once it is aborted */
  async run(
    of: readonly PreferenceSample[] | Samples,
    adapter: Adapter,
    options: EvaluateOptions,
  ): Promise<PreferenceEvaluation> {
    const { signal, onProgress } = options
    const samples = samplesOf(of)
    const totals = [0, 0, 0, 0, 0]
    let done = 0
    const { batches, batchOf } = planEvaluation(samples, options)
    const most = mostSamplesOf(batches)
    for (const rows of batches) {
      signal?.throwIfAborted()
      const batch = await batchOf(rows)
      const inputs = { ...uploadBatch(batch, this.#device), ...uploadAnswers(batch, most, this.#device) }
      const figures = this.#figures(adapter, inputs)
      for (const [i, value] of (await figures.data()).entries()) totals[i]! += value
      disposeTree([figures, inputs])
      done += batch.samples.length
      onProgress?.(done, samples.length)
    }
    const [loss, right, margin, logp, tokens] = totals as [number, number, number, number, number]
    return { loss: loss / done, perplexity: Math.exp(-logp / tokens), accuracy: right / done, margin: margin / done }
  }

  /** Programs that were compiled so far. */
  get compiled(): number {
    return this.#figures.compiled
  }

  /** Releases the compiled programs. */
  dispose(): void {
    this.#figures.dispose()
  }
}
