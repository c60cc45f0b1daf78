// A sample token by token, for people: `jora data preview`.

import { IGNORED_LABEL, type Sample } from '../trees/sample'
import type { Tokenizer } from '../tokenizer/tokenizer'

/** What a token belongs to. `prompt` where a row has no context of its own; `end` is a learned EOS. */
export type TokenPart = 'prompt' | 'context' | 'question' | 'answer' | 'end'

/** One token of a sample, for showing what a model is trained on. */
export interface TokenDescription {
  id: number
  /** The text that became complete with this token: '' inside a character of several tokens. All of them make the text. */
  text: string
  /** Whether the loss counts it. */
  learned: boolean
  part: TokenPart
  /** Branch of a tree, from 0; absent for its context and where there are no branches. */
  branch?: number
}

/** Describes every token of a sample, special tokens included. Each branch of a tree is decoded on its own. */
export function describeTokens(
  sample: Pick<Sample, 'ids' | 'labels' | 'branches' | 'contextLength'>,
  tokenizer: Tokenizer,
): TokenDescription[] {
  const { branches = [], contextLength } = sample
  const contextEnd = branches[0]?.start ?? contextLength ?? 0
  const hasContext = branches.length > 0 || contextLength !== undefined
  let stream = tokenizer.textStream()
  let branch = -1
  const described: TokenDescription[] = []
  const flush = () => {
    const last = described.at(-1)
    if (last !== undefined) last.text += stream.flush()
  }
  sample.ids.forEach((id, t) => {
    if (t === branches[branch + 1]?.start) {
      flush()
      stream = tokenizer.textStream({ continuation: t > 0 })
      branch++
    }
    const learned = t > 0 && sample.labels[t] !== undefined && sample.labels[t] !== IGNORED_LABEL
    const part = learned
      ? id === tokenizer.eosId
        ? 'end'
        : 'answer'
      : !hasContext
        ? 'prompt'
        : t < contextEnd
          ? 'context'
          : 'question'
    described.push({ id, text: stream.push(id), learned, part, ...(branch < 0 ? {} : { branch }) })
  })
  flush()
  return described
}
