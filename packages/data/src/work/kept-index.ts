// An index of words in files: its parts as they are made, then all of it, of which searches read what they need.

import { closeSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { joinedInMemory } from '../retrieval/index-in-memory'
import { joinParts } from '../retrieval/join-parts'
import { TermIndex, type IndexContent, type IndexParts } from '../retrieval/term-index'
import { openIndex, IndexWriter, type OpenIndex } from './index-file'
import type { KeptIndexParts } from './kept'

/** Postings of a part that are read at a time: parts are joined from their beginnings to their ends. */
const aheadWhileJoined = 2 ** 14

/** The parts of an index in files `FILE-0`, `FILE-1`, …, each whole or not there, and the index joined of them in `FILE`. */
export class KeptIndex implements KeptIndexParts {
  readonly #file: string
  /** Those that are in no file are in memory: there was no room. */
  #parts: (OpenIndex | IndexParts)[] = []
  #joined: OpenIndex | undefined

  constructor(file: string) {
    this.#file = file
  }

  whole(texts: number): TermIndex | undefined {
    const found = openIndex(this.#file)
    if (found?.content.lengths.length !== texts) return void close(found)
    this.#joined = found
    return new TermIndex(found.content)
  }

  take(): boolean {
    const found = openIndex(this.#part(this.#parts.length), aheadWhileJoined)
    if (found !== undefined) this.#parts.push(found)
    return found !== undefined
  }

  add(part: IndexParts): void {
    const file = this.#part(this.#parts.length)
    const steps = written(file, [part])
    let step = steps.next()
    while (step.done !== true) step = steps.next()
    const found = step.value ? openIndex(file, aheadWhileJoined) : undefined
    this.#parts.push(found ?? part)
  }

  *join(): Generator<undefined, TermIndex, unknown> {
    const parts = this.#parts.map((part) => ('content' in part ? part.content : part))
    this.#joined = (yield* written(this.#file, parts)) ? openIndex(this.#file) : undefined
    if (this.#joined === undefined) return yield* joinedInMemory(parts)
    this.#forgetParts()
    return new TermIndex(this.#joined.content)
  }

  /** Forgets all parts. */
  clear(): void {
    this.close()
    const [folder, name] = [dirname(this.#file), basename(this.#file)]
    for (const each of readdirSync(folder))
      if (each === name || each.startsWith(`${name}-`)) rmSync(join(folder, each), { force: true })
  }

  close(): void {
    for (const part of this.#parts) if ('content' in part) close(part)
    close(this.#joined)
    this.#parts = []
    this.#joined = undefined
  }

  #forgetParts(): void {
    for (const [i, part] of this.#parts.entries()) {
      if ('content' in part) close(part)
      rmSync(this.#part(i), { force: true })
    }
    this.#parts = []
  }

  #part(number: number): string {
    return `${this.#file}-${number}`
  }
}

const close = (index: OpenIndex | undefined): void => {
  if (index !== undefined) closeSync(index.descriptor)
}

/** Writes the index of all parts to a file, whole or not at all. @returns whether it is there; without room it is not */
function* written(file: string, parts: readonly IndexContent[]): Generator<undefined, boolean, unknown> {
  const unfinished = `${file}.part`
  let writer: IndexWriter | undefined
  try {
    writer = new IndexWriter(
      unfinished,
      parts.reduce((sum, part) => sum + part.entries.length, 0),
    )
    writer.end(yield* joinParts(parts, writer))
    renameSync(unfinished, file)
    return true
  } catch {
    // It is built again in the next call.
    rmSync(unfinished, { force: true })
    return false
  } finally {
    writer?.close()
  }
}
