// Generation with a KV cache: one prefill, then one token a step, for one prompt or a batch.
import { disposeTree, jit, pad, reshape, sliceAxis, tensor, type Device, type Tensor } from '@jora/tensor'
import { decode, logits, type Decoder, type LayerCache } from './model'
import { checkSampling, sampleToken, type SamplingOptions } from './sampling'

export interface GenerateOptions extends SamplingOptions {
  readonly maxNewTokens?: number
  /** Generation ends at any of these ids (which are not returned); the model's EOS ids when absent. */
  readonly stopIds?: readonly number[]
  /** Seed of the sampler. */
  readonly seed?: number
  readonly signal?: AbortSignal
}

export interface Generated {
  /** Generated ids, without the prompt and the stop id. */
  readonly ids: number[]
  readonly finishReason: 'stop' | 'length'
}

/** Lengths are rounded up to this many tokens, so that few shapes are compiled. */
const bucket = 32
const roundUp = (n: number): number => Math.ceil(n / bucket) * bucket

type Cache = readonly { readonly k: Tensor; readonly v: Tensor }[]

/** Keys each query sees when row b starts with `padding[b]` fill tokens: those from the row's first token on. */
function visibilityOf(padding: readonly number[], from: number, count: number): Int32Array {
  // A fill token sees itself only: an empty row of the softmax would be NaN.
  return Int32Array.from(
    padding.flatMap((start) =>
      Array.from({ length: count }, (_, i) => [from + i, Math.min(start, from + i), 0, 0]).flat(),
    ),
  )
}

const positionsOf = (padding: readonly number[], from: number, count: number): Int32Array =>
  Int32Array.from(padding.flatMap((start) => Array.from({ length: count }, (_, i) => Math.max(0, from + i - start))))

function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    // Mulberry32: small, seeded, good enough to pick tokens.
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Generates from a decoder, keeping compiled programs between calls. */
export class Generator {
  readonly #decoder: Decoder
  readonly #device: Device | undefined
  readonly #prefill
  readonly #step

  constructor(decoder: Decoder, device?: Device) {
    this.#decoder = decoder
    this.#device = device
    const lastLogits = (hidden: Tensor) => {
      const [batch = 0, seq = 0, dim = 0] = hidden.shape
      return logits(decoder, reshape(sliceAxis(hidden, 1, seq - 1, seq), [batch, dim]))
    }
    this.#prefill = jit((tokens: Tensor, positions: Tensor, visibility: Tensor, capacity: number): [Tensor, Cache] => {
      const { hidden, cache } = decode(decoder, { tokens, positions, visibility })
      const extend = (x: Tensor) => pad(x, [0, 0, 0, 0], [0, 0, capacity - x.shape[2]!, 0])
      return [lastLogits(hidden), cache.map(({ k, v }) => ({ k: extend(k), v: extend(v) }))]
    })
    this.#step = jit(
      (layers: Cache, tokens: Tensor, positions: Tensor, visibility: Tensor, start: Tensor): [Tensor, Cache] => {
        const { hidden, cache } = decode(decoder, {
          tokens,
          positions,
          visibility,
          cache: { layers: layers as readonly LayerCache[], start },
        })
        return [lastLogits(hidden), cache as Cache]
      },
      { donate: [0, 1, 2, 3, 4] },
    )
  }

  /**
   * Continues every prompt (non-empty lists of ids), calling `onToken(row, id)` as ids arrive.
   * @throws RangeError for impossible options or prompts longer than the model's positions
   */
  async generate(
    prompts: readonly (readonly number[])[],
    options: GenerateOptions = {},
    onToken?: (row: number, id: number) => void,
  ): Promise<Generated[]> {
    const { maxNewTokens = 256, stopIds = this.#decoder.config.eosTokenIds, seed = 0, signal } = options
    checkSampling(options)
    signal?.throwIfAborted()
    if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1)
      throw new RangeError(`maxNewTokens is ${maxNewTokens}, expected an integer ≥ 1`)
    if (prompts.length === 0) return []
    const longest = Math.max(...prompts.map((p) => p.length))
    prompts.forEach((p, row) => {
      if (p.length === 0) throw new RangeError(`prompt ${row} is empty`)
      const bad = p.find((id) => id < 0 || id >= this.#decoder.config.vocabSize)
      if (bad !== undefined)
        throw new RangeError(`prompt ${row} has id ${bad}, the vocabulary has ${this.#decoder.config.vocabSize}`)
    })
    const { maxPositions } = this.#decoder.config
    if (longest >= maxPositions)
      throw new RangeError(`the prompt has ${longest} tokens, the model takes at most ${maxPositions}`)
    const room = Math.min(maxNewTokens, maxPositions - longest)

    const device = this.#device
    const upload = (data: Int32Array, shape: readonly number[]) =>
      tensor(data, { shape, ...(device ? { device } : {}) })
    const batch = prompts.length
    const width = roundUp(longest)
    const padding = prompts.map((p) => width - p.length)
    const capacity = roundUp(width + room)
    const tokens = Int32Array.from(
      prompts.flatMap((p, row) => [...Array.from({ length: padding[row]! }, () => 0), ...p]),
    )
    const first = [
      upload(tokens, [batch, width]),
      upload(positionsOf(padding, 0, width), [batch, width]),
      upload(visibilityOf(padding, 0, width), [batch, width, 4]),
    ] as const
    let [scores, cache] = this.#prefill(...first, capacity)
    disposeTree(first)

    const random = randomOf(seed)
    const results = prompts.map((): { ids: number[]; finishReason: 'stop' | 'length' } => ({
      ids: [],
      finishReason: 'length',
    }))
    const open = new Set(prompts.keys())
    try {
      for (let made = 0; ; made++) {
        const host = (await scores.data()) as Float32Array
        scores.dispose()
        signal?.throwIfAborted()
        const vocab = host.length / batch
        const next = new Int32Array(batch)
        for (const row of open) {
          const id = sampleToken(
            host.slice(row * vocab, (row + 1) * vocab),
            prompts[row]!,
            results[row]!.ids,
            options,
            random,
          )
          next[row] = id
          if (stopIds.includes(id)) {
            results[row]!.finishReason = 'stop'
            open.delete(row)
            continue
          }
          results[row]!.ids.push(id)
          onToken?.(row, id)
          if (results[row]!.ids.length >= room) open.delete(row)
        }
        if (open.size === 0) return results
        const at = width + made
        ;[scores, cache] = this.#step(
          cache,
          upload(next, [batch, 1]),
          upload(positionsOf(padding, at, 1), [batch, 1]),
          upload(visibilityOf(padding, at, 1), [batch, 1, 4]),
          upload(Int32Array.of(at), []),
        )
      }
    } finally {
      disposeTree(cache)
      scores.dispose()
    }
  }

  /** Ids of one continuation, as they are made. Leaving the loop early stops the generation. */
  async *stream(prompt: readonly number[], options: GenerateOptions = {}): AsyncGenerator<number, Generated> {
    const queue: number[] = []
    let wake = () => {}
    let done = false
    const left = new AbortController()
    const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal
    const running = this.generate([prompt], { ...options, signal }, (_row, id) => {
      queue.push(id)
      wake()
    }).finally(() => {
      done = true
      wake()
    })
    running.catch(() => {}) // told below
    try {
      for (;;) {
        const id = queue.shift()
        if (id !== undefined) yield id
        else if (done) return (await running)[0]!
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      left.abort()
      await running.catch(() => {})
    }
  }

  /** Releases the compiled programs. */
  dispose(): void {
    this.#prefill.dispose()
    this.#step.dispose()
  }
}
