// The terms of an index in one text: as little memory as they can have, and looked up by halving.

/** Terms in the order of their code units, each numbered by its place in it. */
export class Vocabulary {
  readonly size: number
  /** Each between line feeds. */
  readonly #text: string
  /** Where each begins in it; one more behind the last. */
  readonly #starts: Uint32Array

  /** @param terms sorted, with line feeds between them */
  constructor(terms: string) {
    this.#text = `\n${terms}\n`
    let size = 0
    for (let at = terms.length; at > 0; at = terms.lastIndexOf('\n', at - 1)) size++
    this.size = size
    this.#starts = new Uint32Array(size + 1)
    for (let id = 0, at = 1; id < size; id++) {
      this.#starts[id] = at
      at = this.#text.indexOf('\n', at) + 1
      this.#starts[id + 1] = at
    }
  }

  /** The number of a term; −1 where there is none. */
  idOf(term: string): number {
    let [low, high] = [0, this.size - 1]
    while (low <= high) {
      const middle = (low + high) >> 1
      const found = this.#term(middle)
      if (found === term) return middle
      if (found < term) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  /** The numbers of the terms that hold `piece`; that begin with it where a line feed is before it, and end with it where one is behind. */
  *holding(piece: string): Generator<number> {
    let last = -1
    for (let at = this.#text.indexOf(piece); at >= 0; at = this.#text.indexOf(piece, at + 1)) {
      const id = lastAtMost(this.#starts, piece.startsWith('\n') ? at + 1 : at)
      if (id > last) yield (last = id)
    }
  }

  #term(id: number): string {
    return this.#text.slice(this.#starts[id], this.#starts[id + 1]! - 1)
  }
}

/** The last place whose value is at most `value`; −1 where none is. */
export function lastAtMost(sorted: Uint32Array, value: number): number {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (sorted[middle]! <= value) low = middle + 1
    else high = middle
  }
  return low - 1
}
