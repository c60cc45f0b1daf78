// All that questions are asked about: documents cut into chunks, and the index of their words.

import { blocksText } from '../documents/blocks'
import { DatasetError } from '../errors'
import { canonical } from '../retrieval/canonical'
import { Bm25Index, indexing } from '../retrieval/lexical'
import { TermIndex, type IndexParts } from '../retrieval/term-index'
import { nextOf, type Kept } from '../work/kept'
import { turns } from '../work/turns'
import { chunkDocument, type Chunk, type ChunkOptions } from './chunk'
import { checkIds, type RaftDocument } from './documents'
import { withContent, type Corpus, type Source } from './golden'
import { nameFinder } from './nearest-name'

/** What of the work on documents can be kept. */
export interface CorpusWork {
  /** The chunks of each document. */
  readonly chunks: Kept<readonly Omit<Source, 'index'>[]>
  /** The index of their words, in parts of so many chunks. */
  readonly index: Kept<IndexParts>
}

/** What an earlier call cut, and who is told how far it is. */
interface CorpusOptions {
  readonly kept?: CorpusWork | undefined
  readonly onProgress?: ((done: number, total: number, stage: 'chunk' | 'index', earlier: number) => void) | undefined
}

/** Cuts all documents and indexes their chunks; pauses where it yields. @throws DatasetError as {@link buildRaft} does */
export function* chunkAll(
  documents: readonly RaftDocument[],
  options: ChunkOptions & CorpusOptions,
): Generator<undefined, Corpus, unknown> {
  checkIds(documents)
  const { kept, onProgress } = options
  const sources: Source[] = []
  const byDocument = new Map<string, readonly Source[]>()
  const ids = new Set<string>()
  let earlier = 0
  for (const [i, document] of documents.entries()) {
    const cut = nextOf(kept?.chunks, () => chunkDocument(document, options).map(withContent))
    const own = cut.result.map((chunk, n): Source => ({ ...chunk, index: sources.length + n }))
    for (const source of own) {
      sources.push(source)
      ids.add(source.id)
    }
    byDocument.set(document.id, own)
    onProgress?.(i + 1, documents.length, 'chunk', (earlier += Number(cut.isEarlier)))
    yield
  }
  if (sources.length === 0) throw new DatasetError({ problem: `none of ${documents.length} documents has any text` })
  if (ids.size < sources.length) {
    const problem = 'the chunks of a document "x" are called "x#1", "x#2", …; another document is too'
    throw new DatasetError({ problem })
  }
  const index = yield* indexAll(sources, options)
  return {
    sources,
    byDocument,
    texts: new Map(
      documents.flatMap((each) => {
        if ('table' in each) return []
        return [[each.id, 'text' in each ? each.text : blocksText(each.blocks)] as const]
      }),
    ),
    words: new Bm25Index(sources, { index }),
    formOf: remembered(),
    nearestId: nameFinder([...byDocument.keys()]),
  }
}

/** Chunks whose words are indexed, and kept, together. */
const chunksAtOnce = 10_000

/** The index of the chunks' words, part by part: an earlier call's, and those that are made now. */
function* indexAll(
  sources: readonly Source[],
  { kept, onProgress }: CorpusOptions,
): Generator<undefined, TermIndex, unknown> {
  const parts: IndexParts[] = []
  let earlier = 0
  for (let from = 0; from < sources.length; from += chunksAtOnce) {
    const some = sources.slice(from, from + chunksAtOnce)
    const known = kept?.index.take()
    if (known === undefined) {
      const steps = indexing(some)
      let step = steps.next()
      for (; step.done !== true; step = steps.next()) {
        onProgress?.(from + step.value, sources.length, 'index', earlier)
        yield
      }
      parts.push(step.value.parts)
      kept?.index.add(step.value.parts)
    } else {
      parts.push(known)
      earlier += some.length
    }
    onProgress?.(from + some.length, sources.length, 'index', earlier)
    yield
  }
  return TermIndex.joined(parts)
}

/** Forms are made again rather than all kept: they take as much as the documents do. */
const mostRemembered = 10_000

function remembered(): (source: Source) => string {
  const known = new Map<number, string>()
  return ({ index, text }) => {
    let form = known.get(index)
    if (form === undefined) {
      form = canonical(text)
      if (known.size >= mostRemembered) known.clear()
      known.set(index, form)
    }
    return form
  }
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
  documents: readonly RaftDocument[],
  { signal, onProgress, ...options }: ChunkAllOptions,
): Promise<Chunk[]> {
  const turn = turns(signal)
  const chunks: Chunk[] = []
  for (const [i, document] of documents.entries()) {
    for (const chunk of chunkDocument(document, options)) chunks.push(chunk)
    onProgress?.(i + 1, documents.length, 'chunk')
    await turn()
  }
  return chunks
}
