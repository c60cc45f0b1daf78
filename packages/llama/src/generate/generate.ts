// Generation with a KV cache: one prefill, then one token a step, for one prompt or a batch.
import { disposeTree, tensor, type Device, type Tensor } from '@jora/tensor'
import type { Decoder } from '../model'
import { checkRequest, type Adapt, type Generated, type GenerateOptions } from './options'
import { generationPrograms, type GenerationPrograms } from './programs'
import { needsScores, readNext } from './next-tokens'
import { randomOf, sampleToken } from './sampling'
import { positionsOf, rightAligned, roundUp, sightOf, visibilityOf, type Cache, type RowSight } from './sight'

/** Rows of a batch that shares contexts are a multiple of this. */
const rowMultiple = 4

/** A context and what is asked on it. */
export interface ContextPrompts {
  readonly context: readonly number[]
  /** `contextLength`: how many tokens of the context it continues (default: all). */
  readonly prompts: readonly { readonly ids: readonly number[]; readonly contextLength?: number }[]
}

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
  /** The likeliest, `[rows]`. */
  readonly best: Tensor
  readonly cache: Cache
}

/** How many programs there are of a {@link Generator}. */
export interface ProgramCounts {
  /** Those that are kept. */
  readonly kept: number
  /** Those that were ever compiled. */
  readonly compiled: number
}

/** Generates from a decoder, keeping compiled programs between calls. */
export class Generator {
  readonly decoder: Decoder
  readonly device: Device | undefined
  /** Compiled when they are first needed. */
  readonly programs: GenerationPrograms

  /** @param adapt how an adapter given with a request is applied */
  constructor(decoder: Decoder, device?: Device, adapt?: Adapt) {
    this.decoder = decoder
    this.device = device
    this.programs = generationPrograms(decoder, adapt)
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
    const maxNewTokens = checkRequest(prompts, options, this.decoder.config)
    if (prompts.length === 0) return []
    const longest = Math.max(...prompts.map((p) => p.length))
    const room = Math.min(maxNewTokens, this.decoder.config.maxPositions - longest)
    const batch = prompts.length
    const width = roundUp(longest)
    const rows = prompts.map((p) => sightOf(p.length, width))
    const start = this.#upload(Int32Array.of(0), [])
    const [scores, best, cache] = this.programs.step(
      options.adapter ?? {},
      this.programs.empty(start, batch, roundUp(width + room)),
      this.#upload(rightAligned(prompts, width), [batch, width]),
      this.#upload(positionsOf(rows, 0, width), [batch, width]),
      this.#upload(visibilityOf(rows, 0, width), [batch, width, 4]),
      start,
      this.#upload(Int32Array.of(width - 1), [1]),
      [],
    )
    return this.#finish({ prompts, rows, width, room, scores, best, cache }, options, onToken)
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
    const maxNewTokens = checkRequest(wholes, options, this.decoder.config)
    const alone = asked.findIndex(({ ids }) => ids.length === 0)
    if (alone >= 0) throw new RangeError(`prompt ${alone} has no token of its own behind its context`)
    if (asked.length === 0) return []
    // Counts are rounded up too, with rows nobody reads.
    const contexts: (readonly number[])[] = groups.map(({ context }) => (context.length > 0 ? context : [0]))
    while (contexts.length < 2 ** Math.ceil(Math.log2(groups.length))) contexts.push([0])
    const width = roundUp(Math.max(...contexts.map((c) => c.length)))
    const contextRows = contexts.map((c) => sightOf(c.length, width))
    const start = this.#upload(Int32Array.of(0), [])
    const [unused, unread, shared] = this.programs.step(
      options.adapter ?? {},
      this.programs.empty(start, contexts.length, width),
      this.#upload(rightAligned(contexts, width), [contexts.length, width]),
      this.#upload(positionsOf(contextRows, 0, width), [contexts.length, width]),
      this.#upload(visibilityOf(contextRows, 0, width), [contexts.length, width, 4]),
      start,
      this.#upload(Int32Array.of(width - 1), [1]),
      [],
    )
    disposeTree([unused, unread])
    const filled = [...asked]
    while (filled.length % rowMultiple !== 0) filled.push(asked[0]!)
    const batch = filled.length
    const own = roundUp(Math.max(...asked.map(({ ids }) => ids.length)))
    const rows = filled.map(({ owner, contextLength, ids }): RowSight => {
      const { start } = contextRows[owner]!
      return { start, contextEnd: start + contextLength, branchStart: width + own - ids.length }
    })
    const longest = Math.max(...wholes.map((ids) => ids.length))
    const room = Math.min(maxNewTokens, this.decoder.config.maxPositions - longest)
    const owners = this.#upload(
      Int32Array.from(filled, ({ owner }) => owner),
      [batch],
    )
    const [scores, best, cache] = this.programs.step(
      options.adapter ?? {},
      this.programs.spread(shared, owners, roundUp(width + own + room)),
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
      this.#upload(Int32Array.of(own - 1), [1]),
      [],
    )
    return this.#finish({ prompts: wholes, rows, width: width + own, room, scores, best, cache }, options, onToken)
  }

  #upload(data: Int32Array, shape: readonly number[]): Tensor {
    return tensor(data, { shape, ...(this.device ? { device: this.device } : {}) })
  }

  /** Token after token from the scores behind the prompts; rows beyond the prompts are computed and ignored. */
  async #finish(
    { prompts, rows, width, room, ...state }: Prefilled,
    { stopIds = this.decoder.config.eosTokenIds, seed = 0, signal, adapter = {}, ...sampling }: GenerateOptions,
    onToken?: (row: number, id: number) => void,
  ): Promise<Generated[]> {
    let { scores, best, cache } = state
    const batch = rows.length
    const random = randomOf(seed)
    const results = prompts.map((): { ids: number[]; finishReason: 'stop' | 'length' } => ({
      ids: [],
      finishReason: 'length',
    }))
    const open = new Set(prompts.keys())
    try {
      for (let made = 0; ; made++) {
        const found = await readNext(scores, best, needsScores(sampling))
        signal?.throwIfAborted()
        const next = new Int32Array(batch)
        for (const row of open) {
          const { scores: own, best: likeliest } = found[row]!
          const id = own ? sampleToken(own, prompts[row]!, results[row]!.ids, sampling, random) : likeliest
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
        ;[scores, best, cache] = this.programs.step(
          adapter,
          cache,
          this.#upload(next, [batch, 1]),
          this.#upload(positionsOf(rows, at, 1), [batch, 1]),
          this.#upload(visibilityOf(rows, at, 1), [batch, 1, 4]),
          this.#upload(Int32Array.of(at), []),
          this.#upload(Int32Array.of(0), [1]),
          [],
        )
      }
    } finally {
      disposeTree([scores, best, cache])
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

  /** One program for each size of a batch, of a prompt's piece and of a cache. */
  get programCounts(): ProgramCounts {
    const all = Object.values(this.programs)
    return {
      kept: all.reduce((sum, { programs }) => sum + programs, 0),
      compiled: all.reduce((sum, { compiled }) => sum + compiled, 0),
    }
  }

  /** Releases the compiled programs. */
  dispose(): void {
    for (const program of Object.values(this.programs)) program.dispose()
  }
}
