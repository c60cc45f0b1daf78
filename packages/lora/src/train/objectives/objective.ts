// What a preference is learned by: a loss of the log-probabilities of answers.
import type { Tensor } from '@jora/tensor'

/** What is learned: answers (`sft`), or preferences by one of the entries of the table `preferences`. */
export type ObjectiveName = 'sft' | PreferenceName
/** The name of a loss of preferences. */
export type PreferenceName = 'dpo' | 'orpo' | 'kto'

/** Log-probabilities of the two answers of each sample of a batch, f32 `[n]` each: sums over their tokens. */
export interface Pairs {
  readonly first: Tensor
  readonly second: Tensor
}

/** What a batch is to a loss of preferences; f32 `[n]` each, 0 in samples that only fill the batch up. */
export interface PreferenceBatch {
  readonly policy: Pairs
  /** Of the base without the adapter; a constant. Of what has no reference: undefined. */
  readonly reference: Pairs | undefined
  /** Tokens of each answer. */
  readonly tokens: Pairs
  /** Log-probabilities of the prompts, and their tokens that have one. */
  readonly prompt: { readonly logps: Tensor; readonly tokens: Tensor }
  /** 1: the first answer is good or better; −1: it is bad; 0: no sample. */
  readonly signs: Tensor
}

/** A loss of preferences; the entries of the table `preferences`. */
export interface Preference {
  /** Whether the base without the adapter computes the same answers, for comparison. */
  readonly hasReference: boolean
  /** Whether prompts are learned too. */
  readonly learnsPrompts: boolean
  /** The sum of the losses of the batch's samples, f32 `[]`. Runs in a graph. */
  loss(batch: PreferenceBatch, beta: number): Tensor
  /** How much better than the base the model finds the first answer, less how much the second, f32 `[n]`. */
  margin(batch: PreferenceBatch, beta: number): Tensor
}
