// The engine of answers: many who ask at once share one model. Prompts are computed in pieces, beginnings that were computed
// before are used again, and answers are decoded together, each token for all of them at once.
import { disposeTree } from '@jora/tensor'
import type { Decoder } from '../model'
import { Continuation } from './continuation'
import { embed } from './embed'
import type { Generator } from './generate'
import type { Token } from './logprobs'
import { checkRequest, type AdapterTensors, type Generated, type GenerateOptions } from './options'
import { readNext } from './next-tokens'
import { Prefill } from './prefill'
import { commonLength, PrefixStore, tensorBytes, type Found, type Prefix } from './prefix-store'
import { RowBatch } from './row-batch'

/** How much an {@link Engine} computes and keeps at a time. */
export interface EngineOptions {
  /** Answers that are decoded at once (default 8); of those that share most of their prompts, four times as many. */
  readonly maxRows?: number
  /** Bytes of keys and values that are kept of earlier prompts (default 256 MiB); 0 keeps none. */
  readonly prefixBytes?: number
}

type Job = { readonly kind: 'continuation'; readonly continuation: Continuation } | Exclusive

interface Exclusive {
  readonly kind: 'exclusive'
  ended: boolean
  run(): Promise<void>
  /** Who waits for it hears of the error. */
  fail(error: unknown): void
}

const hasEnded = (job: Job): boolean => (job.kind === 'exclusive' ? job.ended : job.continuation.ended)

const drop = (job: Job, error: unknown): void =>
  job.kind === 'exclusive' ? job.fail(error) : job.continuation.fail(error)

/** A beginning is read where it is, for many at once, from so many tokens on. */
const leastShared = 64

/** Rows that share most of their prompts cost so much of a row with all of its own. */
const sharedWeight = 1 / 4

/**
 * Beginnings are read where they are by programs that have prepared weights of their own: not for models whose matrices have more
 * bytes than this.
 */
const mostWeightBytes = 2 ** 30

const weightBytes = ({ weights }: Decoder): number =>
  Object.values(weights).reduce((sum, weight) => sum + tensorBytes('codes' in weight ? weight.codes : weight), 0)

/** Rows that are decoded together. */
interface Batch {
  readonly rows: RowBatch
  /** What they share, lent by the store for as long as there are rows. */
  readonly prefix: Prefix | undefined
}

/** Gives one generator to many who ask at once. Who is aborted leaves the queue, or the batch. */
export class Engine {
  readonly generator: Generator
  readonly #maxRows: number
  readonly #shares: boolean
  readonly #prefixes: PrefixStore
  readonly #queue: Job[] = []
  readonly #batches = new Map<AdapterTensors | Prefix, Batch>()
  #prefill: { readonly computing: Prefill; readonly prefix: Prefix | undefined } | undefined
  #exclusive: Exclusive | undefined
  #looping = false
  #lastEmbedding: Promise<unknown> = Promise.resolve()
  #closed: Error | undefined

  constructor(generator: Generator, { maxRows = 8, prefixBytes = 2 ** 28 }: EngineOptions = {}) {
    this.generator = generator
    this.#maxRows = maxRows
    this.#shares = weightBytes(generator.decoder) <= mostWeightBytes
    this.#prefixes = new PrefixStore(prefixBytes)
  }

  /** Requests that wait. */
  get waiting(): number {
    return this.#queue.filter((job) => !hasEnded(job)).length
  }

  /** Whether something is computed. */
  get running(): boolean {
    return this.#exclusive !== undefined || this.#rows > 0
  }

  /**
   * Ids of one continuation, as they are made. Leaving the loop early ends it.
   *
   * @throws RangeError as `Generator.generate` does; the signal's reason; Error once the engine is disposed
   */
  async *stream(prompt: readonly number[], options: GenerateOptions = {}): AsyncGenerator<number, Generated> {
    const tokens = this.tokens(prompt, options)
    try {
      for (;;) {
        const { done, value } = await tokens.next()
        if (done) return value
        yield value.id
      }
    } finally {
      await tokens.return({ ids: [], finishReason: 'stop' })
    }
  }

  /**
   * As {@link stream}, each token with its log probabilities where `options.logprobs` asks for them.
   *
   * @throws as `stream` does
   */
  async *tokens(prompt: readonly number[], options: GenerateOptions = {}): AsyncGenerator<Token, Generated> {
    const { config } = this.generator.decoder
    const maxNewTokens = checkRequest([prompt], options, config)
    const room = Math.min(maxNewTokens, config.maxPositions - prompt.length)
    const continuation = new Continuation(prompt, options, config.eosTokenIds, room)
    this.#add({ kind: 'continuation', continuation })
    return yield* continuation.read()
  }

  /**
   * A text as one vector of length 1, f32 `[hidden]`: the mean of the last hidden states of its tokens, behind the final
   * norm. Texts are computed one after another, between the steps of answers.
   *
   * @throws RangeError for ids that the model cannot take; the signal's reason; Error once the engine is disposed
   */
  embed(
    ids: readonly number[],
    { adapter, signal }: Pick<GenerateOptions, 'adapter' | 'signal'> = {},
  ): Promise<Float32Array> {
    const compute = async () => {
      signal?.throwIfAborted()
      if (this.#closed) throw this.#closed
      const { programs, decoder, device } = this.generator
      return embed(programs.embedding, decoder, ids, { device, adapter })
    }
    const vector = this.#lastEmbedding.then(compute)
    this.#lastEmbedding = vector.catch(() => {})
    return vector
  }

  /**
   * Runs `work` with the generator alone, once those who asked before are answered: batches, say, whose parts belong together.
   *
   * @throws what the work throws; the signal's reason; Error once the engine is disposed
   */
  exclusively<T>(work: (generator: Generator) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error)
      const leave = () => job.fail(signal!.reason)
      signal?.addEventListener('abort', leave, { once: true })
      const job: Exclusive = {
        kind: 'exclusive',
        ended: false,
        run: async () => {
          signal?.removeEventListener('abort', leave)
          await work(this.generator).then(resolve, reject)
        },
        fail(error) {
          signal?.removeEventListener('abort', leave)
          job.ended = true
          reject(error as Error)
        },
      }
      this.#add(job)
    })
  }

  /** Releases the generator's programs, and what is kept of earlier prompts. All who wait or are answered hear of it. */
  dispose(): void {
    this.#closed ??= new Error('the model was closed')
    for (const job of this.#queue.splice(0)) drop(job, this.#closed)
    this.#exclusive?.fail(this.#closed)
    this.#dropPrefill(this.#closed)
    for (const [key, { rows }] of this.#batches) {
      rows.fail(this.#closed)
      this.#dropBatch(key)
    }
    this.#prefixes.dispose()
    this.generator.dispose()
  }

  /** Rows that are computed. */
  get #rows(): number {
    let rows = this.#prefill ? 1 : 0
    for (const batch of this.#batches.values()) rows += batch.rows.size
    return rows
  }

  /** Places of {@link EngineOptions.maxRows} that are taken. */
  get #load(): number {
    let load = 0
    for (const { rows, prefix } of this.#batches.values()) load += rows.size * (prefix ? sharedWeight : 1)
    return load
  }

  #add(job: Job): void {
    if (this.#closed) return drop(job, this.#closed)
    this.#queue.push(job)
    if (this.#looping) return
    this.#looping = true
    void this.#loop()
  }

  /** Until nothing is left: who waits is let in, one piece of a prompt is computed, and one token for every row. */
  async #loop(): Promise<void> {
    for (;;) {
      while (this.#queue[0] && hasEnded(this.#queue[0])) this.#queue.shift()
      const [head] = this.#queue
      if (!head && this.#rows === 0) break
      if (head?.kind === 'exclusive' && this.#rows === 0) {
        this.#queue.shift()
        this.#exclusive = head
        await head.run()
        this.#exclusive = undefined
        continue
      }
      if (head?.kind === 'continuation' && !this.#prefill) {
        const shared = this.#sharedOf(head.continuation)
        if (this.#load + (shared ? sharedWeight : 1) <= this.#maxRows) {
          this.#queue.shift()
          this.#begin(head.continuation, shared)
        }
      }
      // All are queued before the first is done: the device need not wait for the host in between.
      const steps = [...this.#batches].map(async ([key, { rows }]) => {
        await rows.step().catch((error: unknown) => rows.fail(error))
        if (rows.size === 0) this.#dropBatch(key)
      })
      await Promise.all([this.#advance(), ...steps])
    }
    this.#looping = false
  }

  /**
   * The beginning of a prompt that is read where it is: most of the prompt, which others read now or will. Alone, a row does
   * better in the batch of all.
   */
  #sharedOf({ adapter, prompt }: Continuation): Found | undefined {
    const found = this.#shares ? this.#prefixes.find(adapter, prompt) : undefined
    if (!found || found.length < Math.max(leastShared, prompt.length / 2)) return undefined
    const { prefix, length } = found
    // Elsewhere it would be copied for each row of each step.
    if (prefix.layers[0]?.k.buffer.device.kind !== 'cpu') return undefined
    if (this.#prefixes.isLent(prefix)) return found
    const [, ...others] = this.#queue
    const isOther = (job: Job) =>
      job.kind === 'continuation' &&
      !job.continuation.ended &&
      job.continuation.adapter === adapter &&
      2 * commonLength(prefix.ids, length, job.continuation.prompt) >= length
    return others.some(isOther) ? found : undefined
  }

  #begin(continuation: Continuation, found: Found | undefined): void {
    const { programs, device } = this.generator
    const shared = found && { ...found.prefix, length: found.length }
    try {
      const computing = new Prefill(programs, device, this.#prefixes, continuation, shared)
      this.#prefill = { computing, prefix: found?.prefix }
      if (found) this.#prefixes.lend(found.prefix)
    } catch (error) {
      continuation.fail(error)
    }
  }

  /** One piece of the prompt that is computed; with the last of them its row joins those that are decoded. */
  async #advance(): Promise<void> {
    const prefill = this.#prefill
    if (!prefill) return
    const { computing, prefix } = prefill
    const { continuation, shared } = computing
    const { adapter, prompt } = continuation
    try {
      if (continuation.ended) return this.#dropPrefill(undefined)
      const computed = await computing.advance()
      if (!computed) return
      const { layers, capacity } = computed
      const [found] = await readNext(computed.scores, computed.best, continuation.needsScores)
      // Closed meanwhile: nobody wants it.
      if (this.#prefill !== prefill) return disposeTree(layers)
      const next = continuation.accept(found!)
      if (next !== undefined) this.#batchOf(adapter, prefix).join(continuation, computed, next, shared?.length)
      this.#endPrefill()
      if (shared) disposeTree(layers)
      else this.#prefixes.add({ adapter, ids: prompt, layers, capacity })
    } catch (error) {
      this.#dropPrefill(error)
      continuation.fail(error)
    }
  }

  #endPrefill(): void {
    const prefix = this.#prefill?.prefix
    this.#prefill = undefined
    if (prefix) this.#prefixes.giveBack(prefix)
  }

  /** Nothing more of the prompt is computed; who waits for it hears of the error. */
  #dropPrefill(error: unknown): void {
    const computing = this.#prefill?.computing
    computing?.dispose()
    this.#endPrefill()
    computing?.continuation.fail(error)
  }

  #batchOf(adapter: AdapterTensors, prefix: Prefix | undefined): RowBatch {
    const { programs, device } = this.generator
    const key = prefix ?? adapter
    const known = this.#batches.get(key)
    if (known) return known.rows
    const rows = new RowBatch(programs, device, adapter, prefix)
    if (prefix) this.#prefixes.lend(prefix)
    this.#batches.set(key, { rows, prefix })
    return rows
  }

  #dropBatch(key: AdapterTensors | Prefix): void {
    const prefix = this.#batches.get(key)?.prefix
    this.#batches.delete(key)
    if (prefix) this.#prefixes.giveBack(prefix)
  }
}
