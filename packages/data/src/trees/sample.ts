// What is trained on: ids, which of them are learned, and, where questions share a context, who sees whom.

/** The label of a token that is not learned, as in transformers and torch. */
export const IGNORED_LABEL = -100

/** Where a branch of a context tree is in its sample; it ends where the next begins. */
export interface PlacedBranch {
  /** Its first token. */
  start: number
  /** It sees the first so many tokens of the sample, and itself. Its positions go on from there. */
  contextLength: number
  /** Number of the question in its row, from 0. */
  question: number
}

/** A tokenised row, or a context with several of its questions. Both arrays are [length]. */
export interface Sample {
  ids: Int32Array
  /** `labels[t]` is the id to learn at t, seen from the token before; −100 = no loss. `labels[0]` is always −100. */
  labels: Int32Array
  /** Row number in its file, from 1; 0 for a row that came from no file. */
  row: number
  /** Which of its row's questions it is, from 0, where the row has several. */
  question?: number
  /** How many of its tokens are a context that other samples may share. */
  contextLength?: number
  /** A context tree: the tokens before the first branch are the context. */
  branches?: readonly PlacedBranch[]
}

/** How many tokens of the sample are learned. */
export function countTargets(sample: Pick<Sample, 'labels'>): number {
  let count = 0
  for (const label of sample.labels) if (label !== IGNORED_LABEL) count++
  return count
}

/** Largest position of its tokens + 1: the least `max_position_embeddings` that a model needs for it. */
export function reach({ ids, branches = [] }: Pick<Sample, 'ids' | 'branches'>): number {
  const ends = branches.map(
    ({ start, contextLength }, i) => contextLength + (branches[i + 1]?.start ?? ids.length) - start,
  )
  return Math.max(branches[0]?.start ?? ids.length, ...ends)
}

/** How many training samples it holds: the branches of a tree, or 1. */
export const countSamples = ({ branches }: Pick<Sample, 'branches'>): number => branches?.length ?? 1
