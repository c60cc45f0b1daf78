// Rows to samples: ids, and which of them are learned.

import { DatasetError } from '../errors'
import type { ContextRow, Row, TokenRow } from '../rows/row-formats'
import { countTargets, IGNORED_LABEL, type Sample } from '../trees/sample'
import type { Segment } from './segment'
import { contextSegments, rowSegments, spellsBos, type TemplateOptions } from './segments'
import { requireEos, type Tokenizer } from '../tokenizer/tokenizer'
import type { Branch, Tree } from '../trees/tree'

export interface TokenizeOptions extends TemplateOptions {
  /** Ids of pre-tokenised rows must be below (default: the tokenizer's); a model's may be larger than its tokenizer's. */
  readonly vocabSize?: number
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
export function tokenizeRow(row: Exclude<Row, ContextRow>, tokenizer: Tokenizer, options: TokenizeOptions): Sample {
  const number = row.origin?.row ?? 0
  if ('input_ids' in row) return { ...checkedTokens(row, options.vocabSize ?? tokenizer.vocabSize), row: number }
  const bos = spellsBos(row, options.template) ? { addBos: false } : {}
  const [first, ...rest] = rowSegments(row, tokenizer, options)
  const parts = [
    { ids: tokenizer.encode(first!.text, bos), learned: first!.learned },
    ...rest.map((segment) => ({ ids: encodeSegment(segment, tokenizer), learned: segment.learned })),
  ]
  const ids = Int32Array.from(parts.flatMap((part) => part.ids))
  const labels = Int32Array.from(parts.flatMap((part) => (part.learned ? part.ids : part.ids.map(() => IGNORED_LABEL))))
  // Nothing stands before position 0 to predict it from.
  labels[0] = IGNORED_LABEL
  return { ids, labels, row: number }
}

/**
 * Tokenises a context and its questions, every document, question and answer apart: a branch has the same ids whether it
 * shares its context or not.
 *
 * @throws DatasetError when the chat template cannot take it
 * @throws Error when the tokenizer has no EOS token
 */
export function tokenizeTree(row: ContextRow, tokenizer: Tokenizer, options: TokenizeOptions): Tree {
  const { head, documents, branches } = contextSegments(row, tokenizer, options)
  const continued = (text: string) => tokenizer.encode(text, { continuation: true })
  // An empty first segment is BOS alone, where the model has it.
  const parts = [tokenizer.encode(head, spellsBos(row, options.template) ? { addBos: false } : {})]
  const ends = [parts[0]!.length]
  for (const document of documents) {
    // Where nothing stands before it, the first document begins the text.
    const ids = ends.at(-1) === 0 ? tokenizer.encode(document, { addBos: false }) : continued(document)
    parts.push(ids)
    ends.push(ends.at(-1)! + ids.length)
  }
  return {
    context: Int32Array.from(parts.flat()),
    branches: branches.map(({ question, answer }, i): Branch => {
      const asked = continued(question)
      const learned = encodeSegment(answer, tokenizer)
      const { documents: seen = documents.length } = row.questions[i]!
      return {
        ids: Int32Array.from([...asked, ...learned]),
        labels: Int32Array.from([...asked.map(() => IGNORED_LABEL), ...learned]),
        contextLength: ends[seen]!,
        question: i,
      }
    }),
    row: row.origin?.row ?? 0,
  }
}

function encodeSegment({ text, ends = false }: Segment, tokenizer: Tokenizer): number[] {
  const ids = tokenizer.encode(text, { continuation: true })
  if (!ends) return ids
  const eosId = requireEos(tokenizer)
  // An answer that spells out its EOS gets no second one.
  return ids.at(-1) === eosId ? ids : [...ids, eosId]
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
