// A sample token by token, for people: `jora data preview`.

import { IGNORED_LABEL, type Sample } from './sample'
import type { Tokenizer } from './tokenizer'

export interface TokenDescription {
  id: number
  /** The text that became complete with this token: '' inside a character of several tokens. All of them make the text. */
  text: string
  learned: boolean
}

/** Describes every token of a sample, special tokens included. */
export function describeTokens(sample: Pick<Sample, 'ids' | 'labels'>, tokenizer: Tokenizer): TokenDescription[] {
  const stream = tokenizer.textStream()
  const result = Array.from(sample.ids, (id, t) => {
    const learned = t > 0 && sample.labels[t] !== undefined && sample.labels[t] !== IGNORED_LABEL
    return { id, text: stream.push(id), learned }
  })
  const last = result.at(-1)
  if (last !== undefined) last.text += stream.flush()
  return result
}
