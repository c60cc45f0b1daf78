// The compiled parts of generation with a KV cache. Each is compiled anew for every shape it is called with.
import {
  argmax,
  dynamicUpdateSlice,
  full,
  gather,
  jit,
  pad,
  reshape,
  sliceAxis,
  type Jitted,
  type Tensor,
} from '@jora/tensor'
import { decode, logits, type Decoder, type LayerCache } from '../model'
import { embeddingProgram, type EmbeddingProgram } from './embed'
import type { Adapt, AdapterTensors } from './options'
import type { Cache } from './sight'

/** Scores of the next token, f32 `[rows, vocab]`, the likeliest, i32 `[rows]`, and the cache they leave. */
type Scored = [scores: Tensor, best: Tensor, cache: Cache]

/** `tokens` and `positions` are i32 `[rows, count]`, `visibility` i32 `[rows, count, 4]`; see `attention`. */
export interface GenerationPrograms {
  /** A cache in which nothing is seen, on the device of `near`. */
  readonly empty: Jitted<[near: Tensor, rows: number, capacity: number], Cache>
  /** Rows `owners` (i32 `[rows]`) of a cache that is given up, with room for `capacity` tokens. */
  readonly spread: Jitted<[layers: Cache, owners: Tensor, capacity: number], Cache>
  /** The same of a cache that is kept. */
  readonly copy: Jitted<[layers: Cache, owners: Tensor, capacity: number], Cache>
  /**
   * Tokens of every row, written from column `start` (i32 scalar) on; scores are those behind token `last` (i32 `[1]`) of
   * each row, as fill tokens may follow it. Everything that reads the weights is this one function: prompts, pieces of them, and one
   * token after another. Columns of `visibility` count from the first of `shared`, the cache of one row that all rows
   * see before their own, or nothing.
   */
  readonly step: Jitted<
    [
      adapter: AdapterTensors,
      layers: Cache,
      tokens: Tensor,
      positions: Tensor,
      visibility: Tensor,
      start: Tensor,
      last: Tensor,
      shared: Cache,
    ],
    Scored
  >
  /**
   * The first `width` columns of a cache of one row, put into row `row` of a batch at column `column` (i32 scalars). What was in that row
   * is lost.
   */
  readonly place: Jitted<[batch: Cache, one: Cache, row: Tensor, column: Tensor, width: number], Cache>
  /** A text as a vector; see `embed`. */
  readonly embedding: EmbeddingProgram
  /** A batch of other rows and columns of a batch: element `[i, :, j]` is `[rows[i], :, columns[j]]`. */
  readonly relayout: Jitted<[batch: Cache, rows: Tensor, columns: Tensor], Cache>
}

/** @param adapt how an adapter given with a request is applied */
export function generationPrograms(decoder: Decoder, adapt?: Adapt): GenerationPrograms {
  const adapted = (adapter: AdapterTensors): Decoder => {
    if (Object.keys(adapter).length === 0) return decoder
    if (!adapt) throw new Error('this generator cannot use adapters: it was made without a function that applies them')
    const made = adapt(adapter, decoder)
    return typeof made === 'function' ? { ...decoder, linear: made } : made
  }
  const each = (layers: Cache, change: (x: Tensor, layer: number, part: 'k' | 'v') => Tensor): Cache =>
    layers.map(({ k, v }, layer) => ({ k: change(k, layer, 'k'), v: change(v, layer, 'v') }))
  const withRoom = (x: Tensor, capacity: number) => pad(x, [0, 0, 0, 0], [0, 0, capacity - x.shape[2]!, 0])
  const rowsOf = (layers: Cache, owners: Tensor, capacity: number): Cache =>
    each(layers, (x) => withRoom(gather(x, owners, 0), capacity))

  return {
    empty: jit((_near, rows, capacity) => {
      const { layers, kvHeads, headDim } = decoder.config
      const zeros = () => full([rows, kvHeads, capacity, headDim], 0, decoder.dtype ?? 'f32')
      return Array.from({ length: layers }, () => ({ k: zeros(), v: zeros() }))
    }),
    spread: jit(rowsOf, { donate: [0, 1] }),
    copy: jit(rowsOf),
    step: jit(
      (adapter, layers, tokens, positions, visibility, start, last, shared) => {
        const past = { layers: layers as readonly LayerCache[], start, ...(shared.length > 0 && { shared }) }
        const model = adapted(adapter)
        const { hidden, cache } = decode(model, { tokens, positions, visibility, cache: past })
        const [rows = 0, , size = 0] = hidden.shape
        const scores = logits(model, reshape(gather(hidden, last, 1), [rows, size]))
        return [scores, argmax(scores, 1), cache as Cache]
      },
      { donate: [1, 2, 3, 4, 5, 6], manyShapes: true },
    ),
    place: jit(
      (batch, one, row, column, width) =>
        each(batch, (x, layer, part) => {
          const own = sliceAxis(one[layer]![part], 2, 0, width)
          // Nothing of the row's old columns is read: the batch is changed where it is.
          const placed = dynamicUpdateSlice(full([1, ...x.shape.slice(1)], 0, x.dtype), own, column, 2)
          return dynamicUpdateSlice(x, placed, row, 0)
        }),
      { donate: [0], manyShapes: true },
    ),
    embedding: embeddingProgram(adapted),
    relayout: jit((batch, rows, columns) => each(batch, (x) => gather(gather(x, rows, 0), columns, 2)), {
      donate: [0],
      manyShapes: true,
    }),
  }
}
