// One continuation that somebody waits for: the prompt, what was generated so far, and how its reader hears of it.
import { likelihoods, type Token } from './logprobs'
import { needsScores, type NextToken } from './next-tokens'
import type { AdapterTensors, Generated, GenerateOptions } from './options'
import { randomOf, sampleToken } from './sampling'

/** Programs take the adapter as an argument; this is none. */
const none: AdapterTensors = {}

type End = { readonly finishReason: Generated['finishReason'] } | { readonly error: unknown }

/** Ends by a stop id, by its length, by an error, or because its reader leaves. */
export class Continuation {
  readonly prompt: readonly number[]
  readonly adapter: AdapterTensors
  readonly #options: GenerateOptions
  readonly #stopIds: readonly number[]
  /** Tokens that may be generated. */
  readonly #room: number
  readonly #random: () => number
  readonly #ids: number[] = []
  readonly #tokens: Token[] = []
  #read = 0
  #end: End | undefined
  #heard = () => {}

  /** @param stopIds of the model, where the options name none */
  constructor(prompt: readonly number[], options: GenerateOptions, stopIds: readonly number[], room: number) {
    this.prompt = prompt
    this.adapter = options.adapter ?? none
    this.#options = options
    this.#stopIds = options.stopIds ?? stopIds
    this.#room = room
    this.#random = randomOf(options.seed ?? 0)
    options.signal?.addEventListener('abort', this.#abort, { once: true })
  }

  get ended(): boolean {
    return this.#end !== undefined
  }

  /** Whether {@link accept} needs the scores of all tokens. */
  get needsScores(): boolean {
    return this.#options.logprobs !== undefined || needsScores(this.#options)
  }

  /**
   * Takes the next token.
   *
   * @param next its scores are changed in place
   * @returns its id, which is to be computed next; undefined when the continuation has ended
   */
  accept({ best, scores }: NextToken): number | undefined {
    if (this.ended) return undefined
    const { logprobs } = this.#options
    // Choosing changes the scores.
    const likely = logprobs === undefined || !scores ? undefined : likelihoods(scores, logprobs)
    const choose = (all: Float32Array) => sampleToken(all, this.prompt, this.#ids, this.#options, this.#random)
    const id = scores ? choose(scores) : best
    if (this.#stopIds.includes(id)) return this.#finish({ finishReason: 'stop' })
    this.#ids.push(id)
    this.#tokens.push(likely ? { id, logprob: likely.of(id), top: likely.top } : { id })
    if (this.#ids.length >= this.#room) return this.#finish({ finishReason: 'length' })
    this.#heard()
    return id
  }

  /** Nothing more comes, for this reason. */
  fail(error: unknown): void {
    if (!this.ended) this.#finish({ error })
  }

  /**
   * Tokens as they are made.
   *
   * @throws what it failed with; the signal's reason
   */
  async *read(): AsyncGenerator<Token, Generated> {
    try {
      for (;;) {
        // Who aborts hears nothing more; who is done hears all.
        if (this.#end && 'error' in this.#end) throw this.#end.error
        if (this.#read < this.#tokens.length) yield this.#tokens[this.#read++]!
        else if (this.#end) return { ids: [...this.#ids], finishReason: this.#end.finishReason }
        else await new Promise<void>((resolve) => (this.#heard = resolve))
      }
    } finally {
      this.fail(new Error('nobody reads this continuation any more'))
    }
  }

  #finish(end: End): undefined {
    this.#end = end
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#heard()
  }

  readonly #abort = () => this.fail(this.#options.signal!.reason)
}
