// Context trees: one context, then the questions that share it, each a branch that sees the context and itself.

import { IGNORED_LABEL, type Sample } from './sample'

/** A question with its answer, tokenised apart from its context. Arrays are [length]. */
export interface Branch {
  ids: Int32Array
  /** The id to learn at each place, seen from the token before: of the first, the context's last; −100 = no loss. */
  labels: Int32Array
  /** Tokens of the context that it sees, from the first on. */
  contextLength: number
  /** Number of the question in its row, from 0. */
  question: number
}

/** A tokenised context row. */
export interface Tree {
  context: Int32Array
  branches: Branch[]
  /** Row number in its file, from 1; 0 for a row that came from no file. */
  row: number
}

/** Tokens of a branch trained apart: its context and itself. */
export const separateLength = ({ ids, contextLength }: Branch): number => contextLength + ids.length

/** Every branch as a sample of its own. Ids are those of the tree. */
export function separateSamples({ context, branches, row }: Tree): Sample[] {
  return branches.map((branch) => {
    const ids = new Int32Array(separateLength(branch))
    ids.set(context.subarray(0, branch.contextLength))
    ids.set(branch.ids, branch.contextLength)
    const labels = new Int32Array(ids.length).fill(IGNORED_LABEL)
    labels.set(branch.labels, branch.contextLength)
    // Nothing is before position 0 to predict it from.
    labels[0] = IGNORED_LABEL
    return { ids, labels, row, question: branch.question, contextLength: branch.contextLength }
  })
}

/** The branches of a sample that is a tree, each as a sample of its own, as {@link separateSamples} makes them; another as it is. */
export function branchSamples(sample: Sample): Sample[] {
  const { ids, labels, row, branches } = sample
  if (branches === undefined) return [sample]
  const context = ids.subarray(0, branches[0]!.start)
  const apart = branches.map(({ start, contextLength, question }, i): Branch => {
    const end = branches[i + 1]?.start ?? ids.length
    return { ids: ids.subarray(start, end), labels: labels.subarray(start, end), contextLength, question }
  })
  return separateSamples({ context, branches: apart, row })
}

/**
 * The tree as few samples of at most `maxTokens`: the context once, then as many branches as fit. A branch that does not fit
 * with its context gets a sample of its own, however long.
 */
export function treeSamples({ context, branches, row }: Tree, maxTokens: number): Sample[] {
  const samples: Sample[] = []
  let open: Branch[] = []
  let [contextLength, length] = [0, 0]
  const close = () => {
    if (open.length > 0) samples.push(joined(context.subarray(0, contextLength), open, row))
    open = []
    contextLength = 0
    length = 0
  }
  for (const branch of branches) {
    if (open.length > 0 && Math.max(contextLength, branch.contextLength) + length + branch.ids.length > maxTokens)
      close()
    open.push(branch)
    contextLength = Math.max(contextLength, branch.contextLength)
    length += branch.ids.length
  }
  close()
  return samples
}

function joined(context: Int32Array, branches: readonly Branch[], row: number): Sample {
  const length = branches.reduce((n, { ids }) => n + ids.length, context.length)
  const ids = new Int32Array(length)
  const labels = new Int32Array(length).fill(IGNORED_LABEL)
  ids.set(context)
  let start = context.length
  const placed = branches.map((branch) => {
    ids.set(branch.ids, start)
    labels.set(branch.labels, start)
    if (branch.contextLength === 0) labels[start] = IGNORED_LABEL
    const at = { start, contextLength: branch.contextLength, question: branch.question }
    start += branch.ids.length
    return at
  })
  return { ids, labels, row, branches: placed }
}
