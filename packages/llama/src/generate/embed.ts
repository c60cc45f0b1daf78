// Texts as vectors: the mean of what the decoder makes of their tokens.
import { cast, disposeTree, jit, mul, reshape, sum, tensor, type Device, type Jitted, type Tensor } from '@jora/tensor'
import { decode, type Decoder } from '../model'
import { checkIds, type AdapterTensors } from './options'

/** Lengths are rounded up to powers of two from here on, so that few are compiled. */
const shortest = 32

/** The mean of last hidden states, `[hidden]`, of tokens that have a weight (f32 `[1, count]`, of sum 1). */
export type EmbeddingProgram = Jitted<
  [adapter: AdapterTensors, tokens: Tensor, positions: Tensor, visibility: Tensor, weights: Tensor],
  Tensor
>

/** @param adapted the decoder with an adapter */
export const embeddingProgram = (adapted: (adapter: AdapterTensors) => Decoder): EmbeddingProgram =>
  jit((adapter, tokens, positions, visibility, weights) => {
    const { hidden } = decode(adapted(adapter), { tokens, positions, visibility })
    const [, count = 0] = tokens.shape
    return sum(mul(cast(hidden, 'f32'), reshape(weights, [1, count, 1])), { axis: [0, 1] })
  })

/**
 * A text as one vector of length 1: the mean of the last hidden states of its tokens, behind the final norm.
 * @throws RangeError for ids that the model cannot take
 */
export async function embed(
  program: EmbeddingProgram,
  { config }: Pick<Decoder, 'config'>,
  ids: readonly number[],
  { device, adapter = {} }: { readonly device: Device | undefined; readonly adapter?: AdapterTensors | undefined },
): Promise<Float32Array> {
  checkIds(ids, 'the text', config.vocabSize)
  if (ids.length > config.maxPositions)
    throw new RangeError(`the text has ${ids.length} tokens, the model takes at most ${config.maxPositions}`)
  const count = Math.max(shortest, 2 ** Math.ceil(Math.log2(ids.length)))
  const columns = Array.from({ length: count }, (_, n) => n)
  const on = device ? { device } : {}
  const ints = (data: ArrayLike<number>, shape: readonly number[]) => tensor(Int32Array.from(data), { shape, ...on })
  const isReal = (n: number) => n < ids.length
  const inputs = [
    ints(
      columns.map((n) => ids[n] ?? 0),
      [1, count],
    ),
    ints(
      columns.map((n) => (isReal(n) ? n : 0)),
      [1, count],
    ),
    // A fill token sees itself only: an empty row of the softmax would be NaN.
    ints(
      columns.flatMap((n) => (isReal(n) ? [n, 0, 0, 0] : [n, n, 0, n])),
      [1, count, 4],
    ),
    tensor(
      Float32Array.from(columns, (n) => (isReal(n) ? 1 / ids.length : 0)),
      { shape: [1, count], ...on },
    ),
  ] as const
  const mean = program(adapter, ...inputs)
  disposeTree(inputs)
  const vector = (await mean.data()) as Float32Array
  mean.dispose()
  const length = Math.hypot(...vector) || 1
  return vector.map((x) => x / length)
}
