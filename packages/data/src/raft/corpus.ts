// All that questions are asked about: documents cut into chunks, and the index of their words.

import { blocksText } from '../documents/blocks'
import { DatasetError } from '../errors'
import { Bm25Index, indexing } from '../retrieval/lexical'
import { IndexInMemory } from '../retrieval/index-in-memory'
import type { TermIndex } from '../retrieval/term-index'
import { KeptInMemory, nextOf, type Kept, type KeptIndexParts, type List } from '../work/kept'
import { turns } from '../work/turns'
import { chunkDocument, type Chunk, type ChunkOptions } from './chunk'
import { ChunkList, withContent, type KeptChunk } from './chunk-list'
import { checkIds, type RaftDocument } from './documents'
import { nameFinder } from './nearest-name'

/** What of the work on documents can be kept. */
export interface CorpusWork {
  /** How many chunks each document was cut into. */
  readonly cuts: Kept<number>
  /** The chunks of all documents. */
  readonly chunks: Kept<KeptChunk>
  /** The index of their words, in parts of so many chunks. */
  readonly index: KeptIndexParts
}

/** What is known of a document without its text. */
export interface CutDocument {
  /** Its place among all documents, from 0. */
  readonly number: number
  readonly id: string
  readonly split?: 'train' | 'test'
  /** The number of its first chunk. */
  readonly first: number
  /** Its chunks; 0 where it is empty. */
  readonly count: number
}

/** All that questions are about. */
export interface Corpus {
  readonly chunks: ChunkList
  /** By id, in their order. */
  readonly documents: ReadonlyMap<string, CutDocument>
  readonly words: Bm25Index
  /** The text of a document that is one; empty for tables. What is in it may be cut in two by its chunks. */
  readonly textOf: (document: CutDocument) => string
  /** The document of the chunk that is called so. */
  readonly documentOf: (chunk: string) => CutDocument | undefined
  /** The document's id that may have been meant. */
  readonly nearestId: (id: string) => string | undefined
}

/** What an earlier call cut, and who is told how far it is. */
interface CorpusOptions {
  readonly kept?: CorpusWork | undefined
  readonly onProgress?: ((done: number, total: number, stage: 'chunk' | 'index', earlier: number) => void) | undefined
}

/** Cuts all documents and indexes their chunks; pauses where it yields. @throws DatasetError as {@link buildRaft} does */
export function* chunkAll(
  documents: List<RaftDocument>,
  options: ChunkOptions & CorpusOptions,
): Generator<undefined, Corpus, unknown> {
  checkIds(documents)
  const { kept, onProgress } = options
  const keptChunks = kept?.chunks ?? new KeptInMemory()
  const chunks = new ChunkList(keptChunks)
  const byId = new Map<string, CutDocument>()
  let earlier = 0
  for (const document of documents) {
    const { id, split } = document
    const [number, first] = [byId.size, chunks.length]
    let cut: readonly KeptChunk[] | undefined
    const own = () => (cut ??= chunkDocument(document, options).map(withContent))
    const known = kept?.cuts.take()
    const count = known ?? own().length
    for (let n = 0; n < count; n++) chunks.push(nextOf(keptChunks, () => own()[n]!).result, number)
    // Behind its chunks: those of a document that was cut in part are taken, and the others cut again.
    if (known === undefined) kept?.cuts.add(count)
    byId.set(id, { number, id, ...(split === undefined ? {} : { split }), first, count })
    onProgress?.(byId.size, documents.length, 'chunk', (earlier += Number(known !== undefined)))
    yield
  }
  if (chunks.length === 0) throw new DatasetError({ problem: `none of ${documents.length} documents has any text` })
  const documentOf = chunkNames(byId, chunks)
  const index = yield* indexAll(chunks, options)
  return {
    chunks,
    documents: byId,
    words: new Bm25Index(chunks, { index }),
    textOf({ number }) {
      const document = documents.at(number)!
      return 'table' in document ? '' : 'text' in document ? document.text : blocksText(document.blocks)
    },
    documentOf,
    nearestId: nameFinder([...byId.keys()]),
  }
}

/** Whose chunk a name is. @throws DatasetError when two chunks have one name */
function chunkNames(byId: ReadonlyMap<string, CutDocument>, chunks: ChunkList): Corpus['documentOf'] {
  const cutDocumentOf = (chunk: string) => byId.get(chunk.slice(0, Math.max(0, chunk.lastIndexOf('#'))))
  for (const { id, count } of byId.values()) {
    // A document that is one chunk gives it its own name; those of the others end in numbers, and differ within a document.
    const other = count === 1 ? cutDocumentOf(id) : undefined
    if (other === undefined || other.count < 2) continue
    for (let n = 0; n < other.count; n++) {
      if (chunks.at(other.first + n).id !== id) continue
      const problem = 'the chunks of a document "x" are called "x#1", "x#2", …; another document is too'
      throw new DatasetError({ problem })
    }
  }
  return (chunk) => {
    const whole = byId.get(chunk)
    return whole?.count === 1 ? whole : cutDocumentOf(chunk)
  }
}

/** Chunks whose words are indexed, and kept, together. */
const chunksAtOnce = 10_000

/** The index of the chunks' words, part by part: an earlier call's, and those that are made now. */
function* indexAll(chunks: ChunkList, { kept, onProgress }: CorpusOptions): Generator<undefined, TermIndex, unknown> {
  const index = kept?.index ?? new IndexInMemory()
  const size = chunks.length
  const whole = index.whole(size)
  if (whole !== undefined) {
    onProgress?.(size, size, 'index', size)
    return whole
  }
  let earlier = 0
  for (let from = 0; from < size; from += chunksAtOnce) {
    const end = Math.min(size, from + chunksAtOnce)
    if (index.take()) earlier += end - from
    else {
      const steps = indexing(chunks.from(from, end), end - from)
      let step = steps.next()
      for (; step.done !== true; step = steps.next()) {
        onProgress?.(from + step.value, size, 'index', earlier)
        yield
      }
      index.add(step.value)
    }
    onProgress?.(end, size, 'index', earlier)
    yield
  }
  return yield* index.join()
}

/** How {@link chunkDocuments} runs, beside how it cuts. */
export interface ChunkAllOptions extends ChunkOptions {
  /** Aborting it ends the cutting, which throws its reason. */
  signal?: AbortSignal | undefined
  /** Called after each document: how many are cut, of how many. */
  onProgress?: (done: number, total: number, stage: 'chunk') => void
}

/**
 * Cuts documents as {@link chunkDocument} does, and lets others have their turn meanwhile.
 *
 * @throws RangeError when `chunkTokens` or `overlapTokens` is out of range; the signal's reason
 */
export async function chunkDocuments(
  documents: List<RaftDocument>,
  { signal, onProgress, ...options }: ChunkAllOptions,
): Promise<Chunk[]> {
  const turn = turns(signal)
  const chunks: Chunk[] = []
  let done = 0
  for (const document of documents) {
    for (const chunk of chunkDocument(document, options)) chunks.push(chunk)
    onProgress?.(++done, documents.length, 'chunk')
    await turn()
  }
  return chunks
}
