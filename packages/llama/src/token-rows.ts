// Rows of an embedding or a head that stand in place of those of its matrix: those of the few tokens that an adapter trains.
import {
  add,
  arange,
  cast,
  full,
  gather,
  ge,
  linear,
  maximum,
  reshape,
  scatterAdd,
  sub,
  where,
  type Tensor,
} from '@jora/tensor'

/** Rows that stand in place of others; which ones is an argument of a program, as they are. */
export interface TokenRows {
  /** Ids of their tokens, each once, i32 `[n]`. */
  readonly ids: Tensor
  /** f32 `[n, hiddenSize]`. */
  readonly rows: Tensor
}

const zero = (): Tensor => full([], 0, 'i32')

/** Of each token, the number of the row that stands in its place, i32 `[vocab]`; −1 where none does. */
function slotsOf({ ids }: TokenRows, vocabSize: number): Tensor {
  const numbers = cast(add(arange(ids.shape[0]!), 1), 'f32')
  return cast(sub(scatterAdd(ids, numbers, vocabSize), 1), 'i32')
}

/** `rows` at `slots`, in place of `values` where there is one. Both are `[…, width]`, slots `[…]`. */
function replaced(values: Tensor, slots: Tensor, { rows }: TokenRows): Tensor {
  const own = gather(cast(rows, values.dtype), maximum(slots, zero()))
  return where(reshape(ge(slots, zero()), [...slots.shape, 1]), own, values)
}

/** Embeddings `[…, hiddenSize]` of `tokens`, i32 `[…]`, with the rows in their place. */
export const embedRows = (values: Tensor, tokens: Tensor, rows: TokenRows, vocabSize: number): Tensor =>
  replaced(values, gather(slotsOf(rows, vocabSize), tokens), rows)

/** A matrix `[vocab, hiddenSize]` with the rows in their place. */
export const matrixWith = (matrix: Tensor, rows: TokenRows): Tensor =>
  replaced(matrix, slotsOf(rows, matrix.shape[0]!), rows)

/** Scores `[…, vocab]` of `hidden`, `[…, hiddenSize]`, with those of the rows in their place: no matrix is made for them. */
export function scoresWith(scores: Tensor, hidden: Tensor, rows: TokenRows): Tensor {
  const axis = scores.shape.length - 1
  const slots = slotsOf(rows, scores.shape[axis]!)
  const own = cast(linear(hidden, cast(rows.rows, hidden.dtype)), scores.dtype)
  return where(ge(slots, zero()), gather(own, maximum(slots, zero()), axis), scores)
}
