// Stop texts in a stream: what might be the beginning of one is held back until it is known.

/**
 * Ends a streamed text at the first of some stop texts. What could be the beginning of one is held back until more text
 * shows whether it is.
 */
export class StopText {
  readonly #stops: readonly string[]
  #held = ''
  #reached = false

  constructor(stops: readonly string[]) {
    this.#stops = stops
  }

  /** Whether a stop text came; what follows is dropped. */
  get reached(): boolean {
    return this.#reached
  }

  /** Takes the next piece of text and returns what can be shown now; '' after a stop text. */
  push(text: string): string {
    if (this.#reached) return ''
    const all = this.#held + text
    const ends = this.#stops.map((stop) => all.indexOf(stop)).filter((at) => at >= 0)
    if (ends.length > 0) {
      this.#reached = true
      this.#held = ''
      return all.slice(0, Math.min(...ends))
    }
    const held = Math.max(0, ...this.#stops.map((stop) => overlap(all, stop)))
    this.#held = all.slice(all.length - held)
    return all.slice(0, all.length - held)
  }

  /** What was held back, when nothing more comes. */
  flush(): string {
    const rest = this.#held
    this.#held = ''
    return rest
  }
}

/** Length of the longest end of `text` that `stop` begins with, short of the whole. */
export function overlap(text: string, stop: string): number {
  for (let n = Math.min(text.length, stop.length - 1); n > 0; n--) if (text.endsWith(stop.slice(0, n))) return n
  return 0
}
