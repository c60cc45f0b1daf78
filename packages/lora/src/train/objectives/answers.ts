// Which label slots of a batch belong to which answer, and the log-probabilities of answers from those of tokens.
import { IGNORED_LABEL, samplesOf, type Batch, type BatchRow, type PreferenceSample, type Samples } from '@jora/data'
import { dot, neg, reshape, sliceAxis, stopGradient, sum, tensor, type Device, type Tensor } from '@jora/tensor'
import { tokenLosses, type Decoder } from '@jora/llama'
import { lossInputs, type DeviceBatch } from '../device-batch'
import type { Pairs, Preference, PreferenceBatch } from './objective'

/** A batch with the slots of its answers, f32. */
export type AnswerBatch = DeviceBatch & {
  /** 1 where a label slot is of that sample's first answer, second answer or prompt, `[3, n, slots]`. */
  readonly members: Tensor
  /** See {@link PreferenceBatch}, `[n]`. */
  readonly signs: Tensor
}

/** A sample whose prompt is labelled too: from its second token on. */
function withPrompt(sample: PreferenceSample): PreferenceSample {
  const labels = Int32Array.from(sample.labels)
  for (let t = 1; t < sample.contextLength!; t++) labels[t] = sample.ids[t]!
  return { ...sample, labels }
}

/** Samples whose prompts are labelled too. */
export function withPrompts(of: readonly PreferenceSample[] | Samples): Samples {
  const samples = samplesOf(of)
  return {
    length: samples.length,
    arePreferences: samples.arePreferences,
    tokensOf: (index) => samples.tokensOf(index),
    targetsOf: (index) => samples.targetsOf(index) + Math.max(0, samples.contextOf(index) - 1),
    reachOf: (index) => samples.reachOf(index),
    branchesOf: (index) => samples.branchesOf(index),
    contextOf: (index) => samples.contextOf(index),
    read: async (indices) => (await samples.read(indices)).map((sample) => withPrompt(sample as PreferenceSample)),
  }
}

/** Samples of the batch that has the most, as rows of `planSteps` or `packSamples`. */
export const mostSamplesOf = (batches: readonly (readonly BatchRow[])[]): number =>
  batches.reduce((most, rows) => Math.max(most, rows.flat().length), 1)

/**
 * The slots of answers, in the order in which `collate` fills them. The batch has one group.
 * @param count samples that the batch is filled up to: the same for all batches, so that few programs are compiled
 */
export function uploadAnswers(batch: Batch, count: number, device: Device): Pick<AnswerBatch, 'members' | 'signs'> {
  const slots = batch.labels.length
  const members = new Float32Array(3 * count * slots)
  const signs = new Float32Array(count)
  let slot = 0
  for (const [i, sample] of batch.parts.entries()) {
    const { labels, branches = [], sign } = sample as PreferenceSample
    signs[i] = sign
    const [first, second] = [branches[0]!.start, branches[1]!.start]
    labels.forEach((label, t) => {
      if (t === 0 || label === IGNORED_LABEL) return
      const part = t < first ? 2 : t < second ? 0 : 1
      members[(part * count + i) * slots + slot++] = 1
    })
  }
  return {
    members: tensor(members, { shape: [3, count, slots], device }),
    signs: tensor(signs, { device }),
  }
}

/** What a loss of preferences takes of a batch. Runs in a graph. */
export function preferenceBatch(
  preference: Preference,
  policy: Decoder,
  base: Decoder,
  { members, signs, ...batch }: AnswerBatch,
): PreferenceBatch {
  const [, count = 0, slots = 0] = members.shape
  const flat = reshape(members, [3 * count, slots])
  const rows = (values: Tensor) => reshape(values, [3, count])
  const part = (values: Tensor, i: number) => reshape(sliceAxis(values, 0, i, i + 1), [count])
  const summed = (decoder: Decoder) => {
    const losses = tokenLosses(decoder, ...lossInputs(batch))
    return rows(neg(dot(flat, reshape(losses, [slots, 1]))))
  }
  const pairs = (values: Tensor): Pairs => ({ first: part(values, 0), second: part(values, 1) })
  // The reference first: what it computes is gone before the policy keeps activations for its gradient.
  const reference = preference.hasReference ? pairs(stopGradient(summed(base))) : undefined
  const own = summed(policy)
  const tokens = rows(sum(flat, { axis: 1 }))
  return {
    policy: pairs(own),
    reference,
    tokens: pairs(tokens),
    prompt: { logps: part(own, 2), tokens: part(tokens, 2) },
    signs,
  }
}
