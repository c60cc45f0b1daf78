// An index that is made part by part, in memory.

import type { KeptIndexParts } from '../work/kept'
import { EntryArrays } from './entries'
import { joinParts } from './join-parts'
import { TermIndex, type IndexContent, type IndexParts } from './term-index'

/** The parts of one call's index. */
export class IndexInMemory implements KeptIndexParts {
  readonly #parts: IndexParts[] = []

  whole(): undefined {
    return undefined
  }

  take(): boolean {
    return false
  }

  add(part: IndexParts): void {
    this.#parts.push(part)
  }

  *join(): Generator<undefined, TermIndex, unknown> {
    const [first, ...others] = this.#parts
    return first !== undefined && others.length === 0 ? new TermIndex(first) : yield* joinedInMemory(this.#parts)
  }
}

/** The index of the texts of all parts, in memory. Yields now and then. @throws Error when a part cannot be read any more */
export function* joinedInMemory(parts: readonly IndexContent[]): Generator<undefined, TermIndex, unknown> {
  const entries = new EntryArrays(parts.reduce((sum, part) => sum + part.entries.length, 0))
  return new TermIndex({ ...(yield* joinParts(parts, entries)), entries })
}
