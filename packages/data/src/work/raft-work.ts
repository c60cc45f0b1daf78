// The work of building contexts as files that a later call goes on from.

import { createHash } from 'node:crypto'
import type { KeptDocuments } from '../documents/read-documents'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { WorkFolder } from './work-folder'
import type { RaftWork } from '../raft/build'

/** What contexts are made from. */
export interface RaftInputs {
  /** What says that the documents are the same. */
  readonly documents: string
  /** What says that the questions are the same. */
  readonly questions: string
  readonly tokenizer: Tokenizer
  /** What else decides the rows. */
  readonly options: Readonly<Record<string, unknown>>
}

/** Work on contexts that is kept until their file is whole. */
export interface KeptRaftWork extends RaftWork {
  /** Whether an earlier call left work, and whether it was on the same; other work is thrown away. */
  readonly found: WorkFolder['found']
  /** The documents, and what each of their files gave. */
  readonly read: KeptDocuments
  /** Leaves what is done to the next call. */
  close(): void
  /** Takes away what is kept. */
  remove(): Promise<void>
}

/** It changes when the same inputs give other results, or results are written otherwise. */
const version = 4

/** A text whose ids tell tokenizers of one vocabulary apart. */
const probe = 'The 3 wolves’ DEN – naïve, “quoted”:\n\n\t x=[1,234.50]; ﬁve ½ мир 東京は 서울 سلام 🙂  end.'

function digestOf(tokenizer: Tokenizer): string {
  const hash = createHash('sha256').update(JSON.stringify(tokenizer.encode(probe)))
  for (let id = 0; id < tokenizer.vocabSize; id++) hash.update(`${tokenizer.idToToken(id) ?? ''}\n`)
  return hash.digest('hex')
}

/**
 * Opens the work on a file of contexts: what a call that was stopped did is gone on with, where it was from the same.
 *
 * @param output the file that the contexts are to be written to; the work is in a hidden folder beside it
 * @throws Node's error when that folder cannot be written
 */
export async function openRaftWork(output: string, inputs: RaftInputs): Promise<KeptRaftWork> {
  const { documents, questions, tokenizer, options } = inputs
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1))
  const key = JSON.stringify([version, documents, questions, digestOf(tokenizer), sorted])
  const folder = await WorkFolder.open(output, createHash('sha256').update(key).digest('hex'))
  return {
    found: folder.found,
    read: folder.documents(),
    cuts: folder.stage('cuts'),
    chunks: folder.stage('chunks'),
    index: folder.index('index'),
    golden: folder.stage('golden'),
    rows: folder.stage('rows'),
    close: () => folder.close(),
    remove: () => folder.remove(),
  }
}
