// Partition rules of the fused ops: heads, rows and vocabulary are what they are split by.
import { add, concat, exp, full, ge, log, pad, slice, sub, where, type Tensor } from '@jora/tensor'
import { apply, applyAll, type Aval, type OpParams } from '@jora/tensor/graph'
import type { AxisState } from '../mesh/placement'
import {
  decide,
  divides,
  scatterDim,
  whole,
  type AxisDecision,
  type AxisView,
  type LocalView,
  type PartitionRule,
} from './rule'

export const dropping: PartitionRule<'dropout'> = {
  axis: ([x], view) => {
    const rowKeys = view.inputs[1]!.shape.length === 2
    if (typeof x === 'number') return decide(view, [x, rowKeys && x === 0 ? 0 : 'replicated'], [x])
    return x === 'unreduced' ? decide(view, [x], ['unreduced']) : whole(view)
  },
  // The draws are those of the whole array: results do not depend on the mesh.
  local: ([x, key], view) => {
    const { shape } = view.node.inputs[0]!.aval
    if (x!.shape.every((d, i) => d === shape[i])) return [apply('dropout', [x!, key!], view.params)]
    // What is a window already is one further in.
    const outer = view.params.window ?? { shape, starts: shape.map(() => 0) }
    const window = { shape: outer.shape, starts: outer.starts.map((start, dim) => start + view.start(0, dim)) }
    return [apply('dropout', [x!, key!], { ...view.params, window })]
  },
}

/** Rows are normed by themselves: any dimension but the last may be split. `like` are the inputs shaped as the first. */
const rowwise =
  (like: readonly number[]) =>
  (states: readonly AxisState[], view: AxisView): AxisDecision => {
    const last = view.inputs[0]!.shape.length - 1
    const split = like.map((i) => states[i]).find((s): s is number => typeof s === 'number' && s !== last)
    const dim = split ?? (states[0] === 'unreduced' ? scatterDim(view.inputs[0]!, view.devices) : undefined)
    if (dim === undefined) return whole(view)
    return decide(
      view,
      view.inputs.map((_, i) => (like.includes(i) ? dim : 'replicated')),
      [dim],
    )
  }

export const norming: PartitionRule<'rmsNorm'> = { axis: rowwise([0]) }
export const normingGrad: PartitionRule<'rmsNormGrad'> = { axis: rowwise([0, 2]) }

export const rotating: PartitionRule<'rope'> = {
  axis: ([x], view) => {
    if (x === 'unreduced') return decide(view, [x], ['unreduced'])
    if (typeof x !== 'number' || x === 3) return whole(view)
    const ofTables = (i: number): AxisState => {
      if (x === 2) return 1
      return x === 0 && view.node.inputs[i]!.aval.shape[0] !== 1 ? 0 : 'replicated'
    }
    return decide(view, [x, ofTables(1), ofTables(2)], [x])
  },
}

/**
 * How k and v are placed when the query heads are split over the devices: split too, or whole where a device reads a part of one
 * kv head or several of them; undefined where it would read parts of two.
 */
function keysForHeads(view: AxisView): AxisState | undefined {
  const headsOf = (avals: readonly Aval[]) => [avals[0]!.shape[1]!, avals[1]!.shape[1]!] as const
  const [allHeads, allKvHeads] = headsOf(view.node.inputs.map((v) => v.aval))
  const [heads, kvHeads] = headsOf(view.inputs)
  if (heads % view.devices !== 0) return undefined
  const [group, own] = [allHeads / allKvHeads, heads / view.devices]
  // Where an earlier axis split the query heads alone, a part of the kv heads is not what this device's queries read.
  if (kvHeads % view.devices === 0 && heads === kvHeads * group) return 1
  return group % own === 0 || own % group === 0 ? 'replicated' : undefined
}

/** `rows` are the inputs shaped as q; k and v are inputs 1 and 2; visibility, if any, is the last. */
const attending =
  (rows: readonly number[], visibility: number, outputs: (dim: 0 | 1, kvSplit: boolean) => readonly AxisState[]) =>
  (states: readonly AxisState[], view: AxisView): AxisDecision => {
    const has = (dim: number) => [...rows, 1, 2].some((i) => states[i] === dim)
    const ofKeys = keysForHeads(view)
    if (has(1) && ofKeys !== undefined)
      return decide(
        view,
        view.inputs.map((_, i) => (rows.includes(i) ? 1 : i === 1 || i === 2 ? ofKeys : 'replicated')),
        outputs(1, ofKeys === 1),
      )
    if (!has(0) || !divides(view.inputs[0]!, 0, view.devices)) return whole(view)
    const ofVisibility: AxisState = (view.node.inputs[visibility]?.aval.shape[0] ?? 1) === 1 ? 'replicated' : 0
    return decide(
      view,
      view.inputs.map((_, i) => (i === visibility ? ofVisibility : 0)),
      outputs(0, true),
    )
  }

/** The kv heads, of those a device has, that its query heads read: first and how many. */
function kvRange(q: Tensor, k: Tensor, view: LocalView): { from: number; to: number } {
  const group = view.node.inputs[0]!.aval.shape[1]! / view.node.inputs[1]!.aval.shape[1]!
  const [start, end] = [view.start(0, 1), view.start(0, 1) + q.shape[1]!]
  const first = view.start(1, 1)
  const [from, to] = [Math.floor(start / group) - first, Math.ceil(end / group) - first]
  return { from, to: Math.min(to, k.shape[1]!) }
}

const heads = (x: Tensor, { from, to }: { from: number; to: number }): Tensor =>
  from === 0 && to === x.shape[1] ? x : slice(x, [0, from, 0, 0], [x.shape[0]!, to, x.shape[2]!, x.shape[3]!])

export const attention: PartitionRule<'attention'> = {
  axis: attending([0], 3, (dim) => [dim, dim]),
  local: (inputs, view) => {
    const [q, k, v, ...rest] = inputs
    const range = kvRange(q!, k!, view)
    return applyAll('attention', [q!, heads(k!, range), heads(v!, range), ...rest], view.params)
  },
}

export const attentionGrad: PartitionRule<'attentionGrad'> = {
  axis: attending([0, 3, 4, 5], 6, (dim, kvSplit) => {
    const ofKeys: AxisState = kvSplit ? dim : 'unreduced'
    return [dim, ofKeys, ofKeys]
  }),
  local: (inputs, view) => {
    const [q, k, v, ...rest] = inputs
    const range = kvRange(q!, k!, view)
    const [dq, dk, dv] = applyAll('attentionGrad', [q!, heads(k!, range), heads(v!, range), ...rest], view.params) as [
      Tensor,
      Tensor,
      Tensor,
    ]
    // Other devices read the same kv heads: what this one has is its term of their gradient.
    const spread = (x: Tensor) =>
      x.shape[1] === k!.shape[1] ? x : pad(x, [0, range.from, 0, 0], [0, k!.shape[1]! - range.to, 0, 0])
    return [dq, spread(dk), spread(dv)]
  },
}

/** Rows (dimension 0 of `rows`) or the vocabulary (dimension 0 of the weight, input 1) may be split. */
const overVocabulary =
  (rows: readonly number[], outputs: { rows: readonly AxisState[]; vocabulary: readonly AxisState[] }) =>
  (states: readonly AxisState[], view: AxisView): AxisDecision => {
    if (states[1] === 0) return decide(view, [undefined, 0], outputs.vocabulary)
    if (rows.some((i) => states[i] === 0))
      return decide(
        view,
        view.inputs.map((_, i) => (rows.includes(i) ? 0 : 'replicated')),
        outputs.rows,
      )
    return whole(view)
  }

/** The op's own parameters, for the rows of the vocabulary that a device has. */
const vocabularyPart = <K extends `linearCrossEntropy${'' | 'GradInput' | 'GradWeight'}`>(
  view: LocalView<K>,
): OpParams[K] => (view.split(1, 0).count === 1 ? view.params : { ...view.params, vocabStart: view.start(1, 0) })

export const crossEntropy: PartitionRule<'linearCrossEntropy'> = {
  axis: overVocabulary([0, 2], { rows: [0, 0, 0], vocabulary: ['replicated', 'replicated', 'unreduced'] }),
  // Three numbers a row travel: the largest log Σ exp, the sum of its exponentials and the label's logit (Shoeybi et al. 2019).
  local: ([h, w, labels], view) => {
    const part = vocabularyPart(view)
    const own = applyAll('linearCrossEntropy', [h!, w!, labels!], part) as [Tensor, Tensor, Tensor]
    if (part.vocabStart === undefined) return own
    const [loss, logSum] = own
    const over = view.split(1, 0)
    const rows = loss.shape[0]!
    const largest = apply('allReduce', [logSum], { ...over, reduction: 'max' })
    const labelled = ge(labels!, full([], 0, 'i32'))
    const terms = concat([exp(sub(logSum, largest)), where(labelled, sub(logSum, loss), 0)])
    const sums = apply('allReduce', [terms], { ...over, reduction: 'sum' })
    const whole = add(largest, log(slice(sums, [0], [rows])))
    const pull = apply('linearCrossEntropyGradInput', [h!, w!, labels!, whole], part)
    return [where(labelled, sub(whole, slice(sums, [rows], [2 * rows])), 0), whole, pull]
  },
}

export const crossEntropyGradInput: PartitionRule<'linearCrossEntropyGradInput'> = {
  axis: overVocabulary([0, 2, 3], { rows: [0], vocabulary: ['unreduced'] }),
  local: (inputs, view) => applyAll('linearCrossEntropyGradInput', inputs, vocabularyPart(view)),
}

export const crossEntropyGradWeight: PartitionRule<'linearCrossEntropyGradWeight'> = {
  axis: overVocabulary([0, 2, 3, 4], { rows: ['unreduced'], vocabulary: [0] }),
  local: (inputs, view) => applyAll('linearCrossEntropyGradWeight', inputs, vocabularyPart(view)),
}
