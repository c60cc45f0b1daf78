// What a reader of documents takes and gives.

import type { Table } from '../../raft/table'
import type { Block } from '../blocks'

/** A document of a file, before it has the name that its place gives it. */
export type Content = {
  /** Number from 1, where the file holds several documents. */
  row?: number
  /** Its name in the file, where that has one, as a sheet has. */
  part?: string
  id?: string
  title?: string
  split?: 'train' | 'test'
} & ({ text: string } | { table: Table } | { blocks: readonly Block[] })

/** What a file holds that is no document, and why. */
export interface Unread {
  row?: number
  problem: string
}

/** Reads one format of documents. */
export interface Reader {
  /** What it reads, in a few words. */
  readonly summary: string
  /** Ends of file names, with their dot, in lower case. */
  readonly extensions: readonly string[]
  /** The package that it loads when the first such file comes, where that may be absent. */
  readonly needs?: string
  /**
   * Reads the documents of a file as it comes in.
   *
   * @param file what errors call it
   * @throws DatasetError when the whole file cannot be read
   */
  readonly read: (bytes: AsyncIterable<Uint8Array>, file: string) => AsyncIterable<Content | Unread>
}
