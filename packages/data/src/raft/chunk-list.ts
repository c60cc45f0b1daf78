// All chunks by number: what is asked of every one in typed arrays, the rest where the chunks are kept.

import { textHash } from '../hash'
import { Numbers } from '../prepare/numbers'
import { canonical } from '../retrieval/canonical'
import type { Kept, List } from '../work/kept'
import type { Chunk } from './chunk'

/** A chunk as it is kept. */
export interface KeptChunk extends Chunk {
  /** Equal for chunks of one canonical form. */
  readonly content: number
}

/** A chunk as it is looked for, with its number in the index. */
export interface Source extends KeptChunk {
  readonly index: number
}

export const withContent = (chunk: Chunk): KeptChunk => ({ ...chunk, content: textHash(canonical(chunk.text)) })

/** Characters of chunks and forms that are held: looking for an answer goes through the same ones more than once. */
const mostHeld = 2 ** 24

interface Held {
  readonly source: Source
  form?: string
}

/** The chunks of all documents, one document's behind the other's. */
export class ChunkList implements List<Source> {
  readonly #kept: Kept<KeptChunk>
  readonly #contents = new Numbers(Float64Array)
  readonly #tokens = new Numbers(Int32Array)
  readonly #documents = new Numbers(Int32Array)
  readonly #held = new Map<number, Held>()
  #characters = 0

  /** @param kept has the chunks under their numbers */
  constructor(kept: Kept<KeptChunk>) {
    this.#kept = kept
  }

  /** Takes note of a chunk that is kept. @param document its number */
  push({ content, tokens }: KeptChunk, document: number): void {
    this.#contents.push(content)
    this.#tokens.push(tokens)
    this.#documents.push(document)
  }

  get length(): number {
    return this.#contents.length
  }

  at(index: number): Source {
    return this.#holding(index).source
  }

  /** Its text in canonical form. */
  formOf(index: number): string {
    const held = this.#holding(index)
    if (held.form === undefined) {
      held.form = canonical(held.source.text)
      this.#characters += held.form.length
    }
    return held.form
  }

  /** Equal for chunks of one canonical form. */
  contentOf(index: number): number {
    return this.#contents.at(index)
  }

  tokensOf(index: number): number {
    return this.#tokens.at(index)
  }

  /** The number of its document. */
  documentOf(index: number): number {
    return this.#documents.at(index)
  }

  *[Symbol.iterator](): Generator<Source, void> {
    yield* this.from(0, this.length)
  }

  /** The chunks from one number to another, of which none is held. */
  *from(start: number, end: number): Generator<Source, void> {
    for (let index = start; index < end; index++) yield { ...this.#kept.at(index), index }
  }

  #holding(index: number): Held {
    let held = this.#held.get(index)
    if (held === undefined) {
      held = { source: { ...this.#kept.at(index), index } }
      if (this.#characters > mostHeld) {
        this.#held.clear()
        this.#characters = 0
      }
      this.#characters += held.source.text.length
      this.#held.set(index, held)
    }
    return held
  }
}
