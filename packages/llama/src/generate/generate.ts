// Generation with a KV cache: one prefill, then one token a step, for one prompt or a batch.
import { disposeTree, gather, jit, pad, reshape, sliceAxis, tensor, type Device, type Tensor } from '@jora/tensor'
import { decode, logits, type Decoder, type LayerCache, type Linear } from '../model'
import { checkSampling, sampleToken, type SamplingOptions } from './sampling'

/** How a {@link Generator} continues a prompt. */
export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to generate (default 256); the model's last position is a limit too. */
  readonly maxNewTokens?: number
  /** Generation ends at any of these ids (which are not returned); the model's EOS ids when absent. */
  readonly stopIds?: readonly number[]
  /** Seed of the sampler; with the same prompts and options it gives the same tokens. */
  readonly seed?: number
  /** Aborting it ends the generation, which throws its reason. */
  readonly signal?: AbortSignal
  /**
   * The adapter to use, of those the generator was made for, as arguments of its programs; absent: the base model
   * alone.
   */
  readonly adapter?: AdapterTensors
}

/** Tensors of an adapter by module and part. Adapters of equal shapes share their programs. */
export interface AdapterTensors {
  readonly [module: string]: { readonly [part: string]: Tensor }
}

/** Makes the linear layers of a decoder with the adapter added. */
export type Adapt = (adapter: AdapterTensors) => Linear

/** One continuation. */
export interface Generated {
  /** Generated ids, without the prompt and the stop id. */
  readonly ids: number[]
  /** `stop`: at a stop id. `length`: at `maxNewTokens`, or at the model's last position. */
  readonly finishReason: 'stop' | 'length'
}

/** Lengths are rounded up to this many tokens, so that few shapes are compiled. */
const bucket = 32
const roundUp = (n: number): number => Math.ceil(n / bucket) * bucket

/** Rows of a batch that shares contexts are a multiple of this. */
const rowMultiple = 4

/** A context and what is asked on it. */
export interface ContextPrompts {
  readonly context: readonly number[]
  /** `contextLength`: how many tokens of the context it continues (default: all). */
  readonly prompts: readonly { readonly ids: readonly number[]; readonly contextLength?: number }[]
}

type Cache = readonly { readonly k: Tensor; readonly v: Tensor }[]

/** What a row of a batch sees of the cache: all from `start` on, but for the gap between `contextEnd` and `branchStart`. */
interface RowSight {
  /** Where its first token lies, behind fill tokens. */
  readonly start: number
  /** End of what it sees of a shared context. */
  readonly contextEnd: number
  /** Where its own tokens begin. */
  readonly branchStart: number
}

/** Every row alone, its prompt at the end of `width` tokens. */
const sightOf = (length: number, width: number): RowSight => ({
  start: width - length,
  contextEnd: width - length,
  branchStart: width - length,
})

/** The `visibility` of `count` queries from index `from` on. */
function visibilityOf(rows: readonly RowSight[], from: number, count: number): Int32Array {
  return Int32Array.from(
    rows.flatMap(({ start, contextEnd, branchStart }) =>
      Array.from({ length: count }, (_, n) => {
        const i = from + n
        // A fill token sees itself only: an empty row of the softmax would be NaN.
        return i < branchStart ? [i, i, 0, i] : [i, start, contextEnd, branchStart]
      }).flat(),
    ),
  )
}

/** A row's own tokens go on from the end of what it sees of the context. */
const positionsOf = (rows: readonly RowSight[], from: number, count: number): Int32Array =>
  Int32Array.from(
    rows.flatMap(({ start, contextEnd, branchStart }) =>
      Array.from({ length: count }, (_, n) => Math.max(0, contextEnd - start + from + n - branchStart)),
    ),
  )

/** Lists of ids as rows `[count, width]`, each at the right end. */
const rightAligned = (lists: readonly (readonly number[])[], width: number): Int32Array =>
  Int32Array.from(lists.flatMap((ids) => [...Array.from({ length: width - ids.length }, () => 0), ...ids]))

/** A batch whose prompts are computed. */
interface Prefilled {
  readonly prompts: readonly (readonly number[])[]
  readonly rows: readonly RowSight[]
  /** Tokens in the cache. */
  readonly width: number
  /** Tokens that may be generated. */
  readonly room: number
  /** `[rows, vocab]`. */
  readonly scores: Tensor
  readonly cache: Cache
}

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
  readonly #context
  readonly #spread
  readonly #step

  /** @param adapt how an adapter given with a request is applied */
  constructor(decoder: Decoder, device?: Device, adapt?: Adapt) {
    this.#decoder = decoder
    this.#device = device
    const adapted = (adapter: AdapterTensors): Decoder => {
      if (Object.keys(adapter).length === 0) return decoder
      if (!adapt) throw new Error('this generator takes no adapters: it was made without a way to apply them')
      return { ...decoder, linear: adapt(adapter) }
    }
    const lastLogits = (hidden: Tensor) => {
      const [batch = 0, seq = 0, dim = 0] = hidden.shape
      return logits(decoder, reshape(sliceAxis(hidden, 1, seq - 1, seq), [batch, dim]))
    }
    this.#prefill = jit(
      (
        adapter: AdapterTensors,
        tokens: Tensor,
        positions: Tensor,
        visibility: Tensor,
        capacity: number,
      ): [Tensor, Cache] => {
        const { hidden, cache } = decode(adapted(adapter), { tokens, positions, visibility })
        const extend = (x: Tensor) => pad(x, [0, 0, 0, 0], [0, 0, capacity - x.shape[2]!, 0])
        return [lastLogits(hidden), cache.map(({ k, v }) => ({ k: extend(k), v: extend(v) }))]
      },
    )
    this.#context = jit(
      (adapter: AdapterTensors, tokens: Tensor, positions: Tensor, visibility: Tensor): Cache =>
        decode(adapted(adapter), { tokens, positions, visibility }).cache,
      { donate: [1, 2, 3] },
    )
    this.#spread = jit(
      (layers: Cache, owners: Tensor, capacity: number): Cache => {
        const spread = (x: Tensor) => pad(gather(x, owners, 0), [0, 0, 0, 0], [0, 0, capacity - x.shape[2]!, 0])
        return layers.map(({ k, v }) => ({ k: spread(k), v: spread(v) }))
      },
      { donate: [0, 1] },
    )
    this.#step = jit(
      (
        adapter: AdapterTensors,
        layers: Cache,
        tokens: Tensor,
        positions: Tensor,
        visibility: Tensor,
        start: Tensor,
      ): [Tensor, Cache] => {
        const { hidden, cache } = decode(adapted(adapter), {
          tokens,
          positions,
          visibility,
          cache: { layers: layers as readonly LayerCache[], start },
        })
        return [lastLogits(hidden), cache as Cache]
      },
      { donate: [1, 2, 3, 4, 5] },
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
    const maxNewTokens = this.#check(prompts, options)
    if (prompts.length === 0) return []
    const longest = Math.max(...prompts.map((p) => p.length))
    const room = Math.min(maxNewTokens, this.#decoder.config.maxPositions - longest)
    const batch = prompts.length
    const width = roundUp(longest)
    const rows = prompts.map((p) => sightOf(p.length, width))
    const first = [
      this.#upload(rightAligned(prompts, width), [batch, width]),
      this.#upload(positionsOf(rows, 0, width), [batch, width]),
      this.#upload(visibilityOf(rows, 0, width), [batch, width, 4]),
    ] as const
    const [scores, cache] = this.#prefill(options.adapter ?? {}, ...first, roundUp(width + room))
    disposeTree(first)
    return this.#finish({ prompts, rows, width, room, scores, cache }, options, onToken)
  }

  /**
   * Continues prompts that share contexts, each context being computed once. Results are in the order of groups and of the
   * prompts in them, as are the rows `onToken` is called with.
   * @throws RangeError as `generate` does
   */
  async generateShared(
    groups: readonly ContextPrompts[],
    options: GenerateOptions = {},
    onToken?: (row: number, id: number) => void,
  ): Promise<Generated[]> {
    const asked = groups.flatMap(({ context, prompts }, owner) =>
      prompts.map(({ ids, contextLength = context.length }) => ({
        owner,
        contextLength,
        ids,
        whole: [...context.slice(0, contextLength), ...ids],
      })),
    )
    const wholes = asked.map(({ whole }) => whole)
    const maxNewTokens = this.#check(wholes, options)
    const alone = asked.findIndex(({ ids }) => ids.length === 0)
    if (alone >= 0) throw new RangeError(`prompt ${alone} has no token of its own behind its context`)
    if (asked.length === 0) return []
    // Counts are rounded up too, with rows nobody reads.
    const contexts: (readonly number[])[] = groups.map(({ context }) => (context.length > 0 ? context : [0]))
    while (contexts.length < 2 ** Math.ceil(Math.log2(groups.length))) contexts.push([0])
    const width = roundUp(Math.max(...contexts.map((c) => c.length)))
    const contextRows = contexts.map((c) => sightOf(c.length, width))
    const shared = this.#context(
      options.adapter ?? {},
      this.#upload(rightAligned(contexts, width), [contexts.length, width]),
      this.#upload(positionsOf(contextRows, 0, width), [contexts.length, width]),
      this.#upload(visibilityOf(contextRows, 0, width), [contexts.length, width, 4]),
    )
    const filled = [...asked]
    while (filled.length % rowMultiple !== 0) filled.push(asked[0]!)
    const batch = filled.length
    const own = roundUp(Math.max(...asked.map(({ ids }) => ids.length)))
    const rows = filled.map(({ owner, contextLength, ids }): RowSight => {
      const { start } = contextRows[owner]!
      return { start, contextEnd: start + contextLength, branchStart: width + own - ids.length }
    })
    const longest = Math.max(...wholes.map((ids) => ids.length))
    const room = Math.min(maxNewTokens, this.#decoder.config.maxPositions - longest)
    const owners = this.#upload(
      Int32Array.from(filled, ({ owner }) => owner),
      [batch],
    )
    const [scores, cache] = this.#step(
      options.adapter ?? {},
      this.#spread(shared, owners, roundUp(width + own + room)),
      this.#upload(
        rightAligned(
          filled.map(({ ids }) => ids),
          own,
        ),
        [batch, own],
      ),
      this.#upload(positionsOf(rows, width, own), [batch, own]),
      this.#upload(visibilityOf(rows, width, own), [batch, own, 4]),
      this.#upload(Int32Array.of(width), []),
    )
    return this.#finish({ prompts: wholes, rows, width: width + own, room, scores, cache }, options, onToken)
  }

  #upload(data: Int32Array, shape: readonly number[]): Tensor {
    return tensor(data, { shape, ...(this.#device ? { device: this.#device } : {}) })
  }

  /** @returns maxNewTokens @throws RangeError for impossible options or prompts */
  #check(prompts: readonly (readonly number[])[], options: GenerateOptions): number {
    const { maxNewTokens = 256, signal } = options
    checkSampling(options)
    signal?.throwIfAborted()
    if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1)
      throw new RangeError(`maxNewTokens is ${maxNewTokens}, expected an integer ≥ 1`)
    const { vocabSize, maxPositions } = this.#decoder.config
    prompts.forEach((p, row) => {
      if (p.length === 0) throw new RangeError(`prompt ${row} is empty`)
      const bad = p.find((id) => id < 0 || id >= vocabSize)
      if (bad !== undefined) throw new RangeError(`prompt ${row} has id ${bad}, the vocabulary has ${vocabSize}`)
      if (p.length >= maxPositions)
        throw new RangeError(`the prompt has ${p.length} tokens, the model takes at most ${maxPositions}`)
    })
    return maxNewTokens
  }

  /** Token after token from the scores behind the prompts; rows beyond the prompts are computed and ignored. */
  async #finish(
    { prompts, rows, width, room, ...state }: Prefilled,
    { stopIds = this.#decoder.config.eosTokenIds, seed = 0, signal, adapter = {}, ...sampling }: GenerateOptions,
    onToken?: (row: number, id: number) => void,
  ): Promise<Generated[]> {
    let { scores, cache } = state
    const batch = rows.length
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
          const rowScores = host.slice(row * vocab, (row + 1) * vocab)
          const id = sampleToken(rowScores, prompts[row]!, results[row]!.ids, sampling, random)
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
          adapter,
          cache,
          this.#upload(next, [batch, 1]),
          this.#upload(positionsOf(rows, at, 1), [batch, 1]),
          this.#upload(visibilityOf(rows, at, 1), [batch, 1, 4]),
          this.#upload(Int32Array.of(at), []),
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
    for (const program of [this.#prefill, this.#context, this.#spread, this.#step]) program.dispose()
  }
}
