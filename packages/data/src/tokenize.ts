// One row to one sample: ids, and which of them are learned.

import { DatasetError } from './errors'
import { renderPrompt, type PromptTemplate } from './prompt'
import type { Row, TokenRow } from './row-formats'
import { requireEos, type Tokenizer } from './tokenizer'

/** The label of a token that is not learned, as in transformers and torch. */
export const IGNORED_LABEL = -100

/** A tokenised row. Both arrays are [length]. */
export interface Sample {
  ids: Int32Array
  /** `labels[t]` is the id to learn at t, seen from t − 1; −100 = no loss. `labels[0]` is always −100. */
  labels: Int32Array
  /** Row number in its file, from 1; 0 for a row that came from no file. */
  row: number
}

export interface TokenizeOptions {
  template: PromptTemplate
  /** Ids of pre-tokenised rows must be below (default: the tokenizer's); a model's may be larger than its tokenizer's. */
  vocabSize?: number
}

/** How many tokens of the sample are learned. */
export function countTargets(sample: Pick<Sample, 'labels'>): number {
  let count = 0
  for (const label of sample.labels) if (label !== IGNORED_LABEL) count++
  return count
}

/**
 * Tokenises a row. The prompt (BOS first where the model has it) and the answer are tokenised apart and joined, so what is
 * learned is known by position: the answer and EOS, never the prompt. The answer is tokenised as a continuation: a
 * SentencePiece-style tokenizer puts no space before it, and prompt + answer have the ids that generation from the prompt
 * would give.
 *
 * @throws DatasetError when a pre-tokenised row holds an id outside the vocabulary or learns nothing
 * @throws Error when the tokenizer has no EOS token
 */
export function tokenizeRow(row: Row, tokenizer: Tokenizer, options: TokenizeOptions): Sample {
  const number = row.origin?.row ?? 0
  if ('input_ids' in row) return { ...checkedTokens(row, options.vocabSize ?? tokenizer.vocabSize), row: number }
  const eosId = requireEos(tokenizer)
  const prompt = tokenizer.encode(renderPrompt(options.template, row))
  const answer = tokenizer.encode('completion' in row ? row.completion : row.output, { continuation: true })
  // An answer that spells out its EOS gets no second one.
  if (answer.at(-1) !== eosId) answer.push(eosId)
  const ids = Int32Array.from([...prompt, ...answer])
  const labels = Int32Array.from(ids)
  // Nothing stands before position 0 to predict it from.
  labels.fill(IGNORED_LABEL, 0, Math.max(1, prompt.length))
  return { ids, labels, row: number }
}

function checkedTokens(row: TokenRow, vocabSize: number): Pick<Sample, 'ids' | 'labels'> {
  const check = (key: 'input_ids' | 'labels') => {
    row[key].forEach((id, t) => {
      if ((id >= 0 && id < vocabSize) || (key === 'labels' && id === IGNORED_LABEL)) return
      const expected = `0 to ${vocabSize - 1}${key === 'labels' ? ', or -100 for no loss' : ''}`
      throw new DatasetError({ ...row.origin, key, problem: `got ${id} at index ${t}; expected ${expected}` })
    })
    return Int32Array.from(row[key])
  }
  const sample = { ids: check('input_ids'), labels: check('labels') }
  sample.labels[0] = IGNORED_LABEL
  if (countTargets(sample) === 0) {
    throw new DatasetError({
      ...row.origin,
      key: 'labels',
      problem: 'nothing is learned; expected a label other than -100 after the first',
    })
  }
  return sample
}
