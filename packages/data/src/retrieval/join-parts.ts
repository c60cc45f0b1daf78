// Parts of an index made one: as if all their texts had been indexed in one go.

import type { EntrySink } from './entries'
import type { IndexContent } from './term-index'

/** Terms that are joined in one go. */
const termsAtOnce = 4096

/** A part, of which terms are taken in their order. */
class PartTerms {
  readonly #part: IndexContent
  /** Number of its first text in the index. */
  readonly first: number
  #at = 0
  #id = -1
  /** Empty behind the last. */
  term = ''

  constructor(part: IndexContent, first: number) {
    ;[this.#part, this.first] = [part, first]
    this.pass()
  }

  /** Goes on to the next term. */
  pass(): void {
    const { terms } = this.#part
    const end = terms.indexOf('\n', this.#at)
    this.term = terms.slice(this.#at, end < 0 ? terms.length : end)
    this.#at = end < 0 ? terms.length : end + 1
    this.#id++
  }

  /** Gives the postings of its term. */
  give(sink: EntrySink): number {
    const { starts, entries } = this.#part
    const [start, end] = [starts[this.#id]!, starts[this.#id + 1]!]
    sink.add(entries.slice(start, end), this.first)
    return end - start
  }
}

/** Whether the first one's term is taken before the other's. */
const isBefore = (a: PartTerms, b: PartTerms): boolean => a.term < b.term || (a.term === b.term && a.first < b.first)

/** Lets what became of the first one of a heap sink to where it belongs. */
function sink(heap: PartTerms[]): void {
  const held = heap[0]!
  let at = 0
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
    if (!isBefore(heap[child]!, held)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = held
}

/**
 * The index of the texts of all parts, one part's behind the other's. Yields now and then.
 * @param to takes the postings
 * @throws Error when a part cannot be read any more
 */
export function* joinParts(
  parts: readonly IndexContent[],
  to: EntrySink,
): Generator<undefined, Omit<IndexContent, 'entries'>, unknown> {
  const lengths = new Uint32Array(parts.reduce((sum, part) => sum + part.lengths.length, 0))
  const heap: PartTerms[] = []
  let first = 0
  for (const part of parts) {
    lengths.set(part.lengths, first)
    if (part.terms !== '') heap.push(new PartTerms(part, first))
    first += part.lengths.length
  }
  heap.sort((a, b) => (isBefore(a, b) ? -1 : 1))
  const joined: string[] = []
  let run: string[] = []
  let starts = new Uint32Array(2 * termsAtOnce)
  let [size, entries] = [0, 0]
  while (heap.length > 0) {
    const { term } = heap[0]!
    while (heap[0]?.term === term) {
      const part = heap[0]
      entries += part.give(to)
      part.pass()
      if (part.term === '') {
        const last = heap.pop()!
        if (last === part) break
        heap[0] = last
      }
      sink(heap)
    }
    run.push(term)
    if (size + 2 > starts.length) {
      const longer = new Uint32Array(2 * starts.length)
      longer.set(starts)
      starts = longer
    }
    starts[++size] = entries
    if (run.length < termsAtOnce) continue
    joined.push(run.join('\n'))
    run = []
    yield
  }
  if (run.length > 0) joined.push(run.join('\n'))
  return { lengths, terms: joined.join('\n'), starts: starts.slice(0, size + 1) }
}
