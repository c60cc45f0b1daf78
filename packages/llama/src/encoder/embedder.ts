// Texts as vectors, in batches of like lengths so that few programs serve all texts.
import type { Tokenizer } from '@jora/data'
import { disposeTree, jit, tensor, type Device, type Jitted, type Tensor } from '@jora/tensor'
import { embed, type Encoder } from './model'

/** The ids that a text is put between. */
export interface EncoderTokens {
  readonly tokenizer: Tokenizer
  readonly cls: number
  readonly sep: number
}

/** How {@link Embedder.embed} reports and ends. */
export interface EmbedOptions {
  /** Called after each batch with the positions of its texts and their vectors, in whatever order. */
  readonly onBatch?: (positions: readonly number[], vectors: Float32Array) => void | Promise<void>
  /** Aborting it ends the work between batches, which throws its reason. */
  readonly signal?: AbortSignal | undefined
}

/** Longest rows and most of them in a batch; tokens and rows are padded up to the next of each. */
const lengths = [8, 16, 32, 64, 96, 128, 192, 256, 384, 512]
const sizes = [1, 4, 16]
const mostTokensOfBatch = 4096

/** A sentence encoder on a device. Vectors have length 1: their dot product is the cosine of their angle. */
export class Embedder {
  /** Numbers of a vector. */
  readonly width: number
  readonly #encoder: Encoder
  readonly #tokens: EncoderTokens
  readonly #device: Device
  readonly #run: Jitted<[Tensor, Tensor], Tensor>

  /** @param digest tells this model's vectors from those of others */
  constructor(
    encoder: Encoder,
    tokens: EncoderTokens,
    device: Device,
    readonly digest: string,
  ) {
    this.width = encoder.config.hiddenSize
    this.#encoder = encoder
    this.#tokens = tokens
    this.#device = device
    this.#run = jit((ids: Tensor, counts: Tensor) => embed(encoder, ids, counts))
  }

  get device(): Device {
    return this.#device
  }

  /** The ids that are read of a text: [CLS], the first tokens, [SEP]. */
  idsOf(text: string): number[] {
    const { tokenizer, cls, sep } = this.#tokens
    const ids = tokenizer.encode(text, { addBos: false })
    return [cls, ...ids.slice(0, this.#encoder.config.mostTokens - 2), sep]
  }

  /**
   * The vectors of texts, one after another, `texts.length × width` numbers.
   * @throws what the device throws, and `signal.reason` when aborted
   */
  async embed(texts: readonly string[], { onBatch, signal }: EmbedOptions = {}): Promise<Float32Array> {
    const vectors = new Float32Array(texts.length * this.width)
    const rows = texts.map((text, position) => ({ position, ids: this.idsOf(text) }))
    rows.sort((a, b) => a.ids.length - b.ids.length || a.position - b.position)
    for (let from = 0; from < rows.length;) {
      signal?.throwIfAborted()
      const shape = batchShape(rows.length - from, (count) => rows[from + count - 1]!.ids.length)
      const size = shape.size
      const seq = Math.min(shape.seq, this.#encoder.config.mostTokens)
      const batch = rows.slice(from, from + size)
      const found = await this.#embedBatch(
        batch.map(({ ids }) => ids),
        size,
        seq,
      )
      batch.forEach(({ position }, i) =>
        vectors.set(found.subarray(i * this.width, (i + 1) * this.width), position * this.width),
      )
      await onBatch?.(
        batch.map(({ position }) => position),
        found.subarray(0, batch.length * this.width),
      )
      from += batch.length
    }
    return vectors
  }

  async #embedBatch(rows: readonly (readonly number[])[], size: number, seq: number): Promise<Float32Array> {
    const ids = new Int32Array(size * seq)
    // Rows that are there to fill the batch have a token, so that nothing is divided by 0.
    const counts = new Int32Array(size).fill(1)
    rows.forEach((row, i) => {
      ids.set(row, i * seq)
      counts[i] = row.length
    })
    const device = this.#device
    const inputs = [tensor(ids, { shape: [size, seq], device }), tensor(counts, { shape: [size], device })] as const
    const result = this.#run(...inputs)
    try {
      return (await result.data()) as Float32Array
    } finally {
      disposeTree([...inputs, result])
    }
  }

  /** Frees its programs and weights. */
  dispose(): void {
    this.#run.dispose()
    disposeTree(this.#encoder.weights)
  }
}

/** The largest batch that is not too much, of no more rows than are needed. @param longest tokens of the longest of so many rows */
function batchShape(left: number, longest: (count: number) => number): { size: number; seq: number } {
  const wanted = atLeast(sizes, left)
  const shapes = sizes
    .filter((size) => size <= wanted)
    .map((size) => ({ size, seq: atLeast(lengths, longest(Math.min(size, left))) }))
  return shapes.findLast(({ size, seq }) => size * seq <= mostTokensOfBatch) ?? shapes[0]!
}

/** The first of a sorted list that is `value` or more; the last where none is. */
const atLeast = (sorted: readonly number[], value: number): number =>
  sorted.find((each) => each >= value) ?? sorted.at(-1)!
