// The head's loss over blocks of the vocabulary, for a device that unpacks the weight: neither logits nor weight is ever whole.
import type { OpParams } from '../ir/op'
import { add, cast, exp, ge, log, logicalAnd, lt, maximum, mul, square, sub, tanh, where } from '../ops/elementwise'
import { full } from '../ops/create'
import { gather } from '../ops/indexing'
import { dot } from '../ops/linalg'
import { reshape, sliceAxis } from '../ops/movement'
import { max, softmax, sum } from '../ops/reduce'
import type { Tensor } from '../tensor'
import { inF32, onceDone } from './blocks'
import type { Definitions } from './decompositions'

/** Elements of a block of logits, and of the weight's rows that give it, for heads that this cuts into few blocks. */
const blockElements = 2 ** 21
/** Of a larger head, blocks are larger instead: each costs a pass over the sums so far. */
const mostBlocks = 24

/** Rows of the weight in each block. */
function blockRows(rows: number, dim: number, vocab: number): number {
  const few = Math.ceil(vocab / mostBlocks)
  return Math.min(vocab, 64 * Math.ceil(Math.max(few, blockElements / Math.max(rows, dim)) / 64))
}

/** What some of the vocabulary gives: log Σ exp of its logits, f32 `[rows]`, and rows of W weighed by their softmax, f32 `[rows, dim]`. */
interface Part {
  readonly logSum: Tensor
  readonly pull: Tensor
}

const column = (x: Tensor): Tensor => reshape(x, [-1, 1])

/** What two parts of the vocabulary give together: each pulls by its share of the probability. */
function joined(a: Part, b: Part): Part {
  const top = maximum(a.logSum, b.logSum)
  const logSum = add(top, log(add(exp(sub(a.logSum, top)), exp(sub(b.logSum, top)))))
  const weighed = ({ logSum: own, pull }: Part) => mul(pull, column(exp(sub(own, logSum))))
  return { logSum, pull: add(weighed(a), weighed(b)) }
}

interface Head {
  readonly h: Tensor
  readonly w: Tensor
  readonly softcap: number | undefined
}

interface Logits {
  /** Capped, where there is a cap. */
  readonly z: Tensor
  /** What a cotangent of the logits is multiplied by below the cap. */
  readonly through: (g: Tensor) => Tensor
}

function capped(x: Tensor, softcap: number | undefined): Logits {
  if (softcap === undefined) return { z: x, through: (g) => g }
  const t = tanh(mul(x, 1 / softcap))
  return { z: mul(t, softcap), through: (g) => mul(g, sub(1, square(t))) }
}

/** Each block's logits with its rows of the weight, one block after what `body` made of the last. */
function eachBlock<R extends { readonly done: Tensor }>(
  { h, w, softcap }: Head,
  body: (block: { readonly logits: Logits; readonly rows: Tensor }, before: R | undefined) => R,
): R {
  const [rows, dim, vocab] = [h.shape[0]!, h.shape[1]!, w.shape[0]!]
  const size = blockRows(rows, dim, vocab)
  let result: R | undefined
  for (let from = 0; from < vocab; from += size) {
    const part = sliceAxis(w, 0, from, Math.min(vocab, from + size))
    const held = result ? onceDone(h, [result.done]) : h
    const logits = capped(inF32(dot(held, part, { transposeB: true })), softcap)
    result = body({ logits, rows: part }, result)
  }
  return result!
}

/** Log Σ exp and the pull of all logits. */
const whole = (head: Head): Part =>
  eachBlock(head, ({ logits: { z, through }, rows }, before: (Part & { done: Tensor }) | undefined) => {
    const p = softmax(z)
    // The largest probability is 1/Σexp(z − max) ≥ 1/block: log Σ exp follows from it exactly, without another pass.
    const logSum = sub(max(z, { axis: 1 }), log(max(p, { axis: 1 })))
    const pull = inF32(dot(cast(through(onceDone(p, [logSum])), rows.dtype), rows))
    const own = { logSum, pull }
    const part = before ? joined(before, own) : own
    return { ...part, done: part.pull }
  })

/** The pull of logits of which log Σ exp over the whole vocabulary is known. */
const given = (head: Head, logSum: Tensor): Tensor =>
  eachBlock(head, ({ logits: { z, through }, rows }, before: { done: Tensor } | undefined) => {
    const p = exp(sub(z, column(logSum)))
    const pull = inF32(dot(cast(through(p), rows.dtype), rows))
    return { done: before ? add(before.done, pull) : pull }
  }).done

/** What a row's label adds: its logit, f32 `[rows]`, and its row of W times the slope of the cap, f32 `[rows, dim]`; zero where W lacks it. */
function labelled({ h, w, softcap }: Head, labels: Tensor, vocabStart: number | undefined): Part {
  const row = vocabStart === undefined ? labels : sub(labels, vocabStart)
  const zero = full([], 0, 'i32')
  const here = logicalAnd(ge(row, zero), lt(row, w.shape[0]!))
  const own = inF32(gather(w, where(here, row, 0)))
  const { z, through } = capped(sum(mul(inF32(h), own), { axis: 1, keepDims: true }), softcap)
  return { logSum: where(here, reshape(z, [-1]), 0), pull: where(column(here), through(own), 0) }
}

/** Rows without a label have no loss and no gradient. */
const known = (labels: Tensor, x: Tensor): Tensor => {
  const has = ge(labels, full([], 0, 'i32'))
  return where(x.shape.length === 1 ? has : column(has), x, 0)
}

const headOf = (inputs: readonly Tensor[], { softcap }: OpParams['linearCrossEntropy']): Head => ({
  h: inputs[0]!,
  w: inputs[1]!,
  softcap,
})

/** Definitions of the head's loss and of its gradient by hidden vectors, in blocks of the vocabulary. */
export const headInBlocks = {
  linearCrossEntropy: (inputs, params) => {
    const [head, labels] = [headOf(inputs, params), inputs[2]!]
    const all = whole(head)
    const label = labelled(head, labels, params.vocabStart)
    return [known(labels, sub(all.logSum, label.logSum)), all.logSum, known(labels, sub(all.pull, label.pull))]
  },
  linearCrossEntropyGradInput: (inputs, params) => {
    const [head, labels, logSum] = [headOf(inputs, params), inputs[2]!, inputs[3]!]
    const pull = params.vocabStart === undefined ? whole(head).pull : given(head, logSum)
    return [known(labels, sub(pull, labelled(head, labels, params.vocabStart).pull))]
  },
} satisfies Partial<Definitions>
