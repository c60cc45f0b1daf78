// Rows to samples: ids, and which of them are learned.

import { DatasetError } from '../errors'
import type { ContextRow, Row, TokenRow } from '../rows/row-formats'
import { countTargets, IGNORED_LABEL, type Sample } from '../trees/sample'
import type { Segment } from './segment'
import { contextSegments, rowSegments, rowTurns, spellsBos, type TemplateOptions, type TextRow } from './segments'
import { requireEos, type Tokenizer } from '../tokenizer/tokenizer'
import type { Branch, Tree } from '../trees/tree'

/** How rows become ids. */
export interface TokenizeOptions extends TemplateOptions {
  /** Ids of pre-tokenised rows must be below it (default: the tokenizer's size; a model's may be larger). */
  readonly vocabSize?: number
}

/**
 * Tokenises a row.
 *
 * A prompt (BOS first where the model has it) and its answer are tokenised apart and joined, so what is learned is known by
 * position: the answer and EOS, never the prompt. The answer is tokenised as a continuation: a SentencePiece-style tokenizer
 * puts no space before it, and prompt + answer have the ids that generation from the prompt would give.
 *
 * What goes through a chat template has the ids of its whole text, as transformers has them; a token that spans the seam
 * between prompt and answer is learned.
 *
 * @throws DatasetError when a pre-tokenised row holds an id outside the vocabulary or learns nothing, or when the row has no
 * one text (see {@link tokenizeTurns})
 * @throws Error when the tokenizer has no EOS token
 */
export function tokenizeRow(row: Exclude<Row, ContextRow>, tokenizer: Tokenizer, options: TokenizeOptions): Sample {
  const tokenised = tokenizeTurns(row, tokenizer, options)
  if (!('context' in tokenised)) return tokenised
  const problem = 'the chat template renders an answer otherwise once others follow; expected one answer'
  throw new DatasetError({ ...row.origin, problem })
}

/**
 * As {@link tokenizeRow}; a conversation whose template renders an answer otherwise once others follow becomes a tree: each
 * answer is a branch, trained as it is rendered when it is the last, and shares with the others what their prompts begin with.
 *
 * @throws DatasetError | Error as {@link tokenizeRow}
 */
export function tokenizeTurns(
  row: Exclude<Row, ContextRow>,
  tokenizer: Tokenizer,
  options: TokenizeOptions,
): Sample | Tree {
  const number = row.origin?.row ?? 0
  if ('input_ids' in row) return { ...checkedTokens(row, options.vocabSize ?? tokenizer.vocabSize), row: number }
  const segments = rowSegments(row, tokenizer, options)
  if (segments === undefined) return turnTree(row, tokenizer, options)
  const parts = spellsBos(row, options.template)
    ? encodeConversation(segments, tokenizer)
    : segments.map((segment, i) => (i === 0 ? tokenizer.encode(segment.text) : encodeSegment(segment, tokenizer)))
  const ids = Int32Array.from(parts.flat())
  const labels = Int32Array.from(
    parts.flatMap((part, i) => (segments[i]!.learned ? part : part.map(() => IGNORED_LABEL))),
  )
  // Nothing is before position 0 to predict it from.
  labels[0] = IGNORED_LABEL
  return { ids, labels, row: number }
}

/** Ids of each piece; all of them are those of the whole text, with EOS where a piece ends without a mark of its own. */
function encodeConversation(segments: readonly Segment[], tokenizer: Tokenizer): number[][] {
  const parts: number[][] = []
  for (let from = 0; from < segments.length;) {
    const end = segments.findIndex(({ ends }, i) => i >= from && ends === true)
    const to = end < 0 ? segments.length : end + 1
    const texts = segments.slice(from, to).map(({ text }) => text)
    const encoded = tokenizer.encodeParts(texts, { addBos: false, continuation: from > 0 })
    if (end >= 0) encoded.push(withEos(encoded.pop()!, tokenizer))
    for (const ids of encoded) parts.push(ids)
    from = to
  }
  return parts
}

function turnTree(row: TextRow, tokenizer: Tokenizer, options: TokenizeOptions): Tree {
  const turns = rowTurns(row, tokenizer, options)
    .map(({ prompt, answer }, question) => ({ question, answer, texts: [prompt, answer.text] }))
    .filter(({ answer }) => answer.learned)
    .map(({ question, answer, texts }) => {
      const [prompt, said] = tokenizer.encodeParts(texts, { addBos: false }) as [number[], number[]]
      return { question, prompt, answer: answer.ends === true ? withEos(said, tokenizer) : said }
    })
  const context = turns.at(-1)!.prompt
  return {
    context: Int32Array.from(context),
    branches: turns.map(({ question, prompt, answer }): Branch => {
      let shared = 0
      while (shared < prompt.length && prompt[shared] === context[shared]) shared++
      const asked = prompt.slice(shared)
      return {
        ids: Int32Array.from([...asked, ...answer]),
        labels: Int32Array.from([...asked.map(() => IGNORED_LABEL), ...answer]),
        contextLength: shared,
        question,
      }
    }),
    row: row.origin?.row ?? 0,
  }
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
    // Where nothing is before it, the first document begins the text.
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
  return ends ? withEos(ids, tokenizer) : ids
}

/** An answer that spells out its EOS gets no second one. */
function withEos(ids: number[], tokenizer: Tokenizer): number[] {
  const eosId = requireEos(tokenizer)
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
