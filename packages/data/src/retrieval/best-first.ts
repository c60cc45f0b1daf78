// A heap of texts, of which the best is taken first: texts are sorted only as far as they are looked at.

/** A text by its number in the collection, and how well it fits; scores compare within one ranking alone. */
export interface RankedText {
  text: number
  score: number
}

/** Whether a text comes before another: by score, and among equals in the order they were given. */
export const isBefore = (a: RankedText, b: RankedText): boolean =>
  a.score > b.score || (a.score === b.score && a.text < b.text)

/** A heap of texts, of which the best is taken first. */
export class BestFirst {
  readonly #heap: RankedText[]

  /** @param heap becomes the heap's own */
  constructor(heap: RankedText[]) {
    this.#heap = heap
    for (let i = (heap.length >> 1) - 1; i >= 0; i--) this.#sink(i)
  }

  get top(): RankedText | undefined {
    return this.#heap[0]
  }

  push(text: RankedText): void {
    const heap = this.#heap
    let at = heap.push(text) - 1
    for (let parent = (at - 1) >> 1; at > 0 && isBefore(text, heap[parent]!); parent = (at - 1) >> 1) {
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = text
  }

  pop(): RankedText | undefined {
    const [best] = this.#heap
    const last = this.#heap.pop()
    if (last !== undefined && this.#heap.length > 0) {
      this.#heap[0] = last
      this.#sink(0)
    }
    return best
  }

  /** Takes texts as long as more are asked for, `most` at most. */
  *drain(most = Infinity): Generator<RankedText> {
    for (let count = 0; count < most; count++) {
      const best = this.pop()
      if (best === undefined) return
      yield best
    }
  }

  #sink(from: number): void {
    const heap = this.#heap
    const held = heap[from]!
    let at = from
    for (let child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, held)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = held
  }
}
