// Documents that answers are made from: read from files and folders, cut into passages, and found for questions.
import {
  chunkDocument,
  documentRetriever,
  readDocuments,
  retrieving,
  type Answerer,
  type ContextDocument,
  type Tokenizer,
} from '@jora/data'
import { readCollection, writeCollection, type OpenedRetriever } from '@jora/llama'
import type { Device } from '@jora/tensor'
import { UsageError } from './errors'
import { integer, text, withDefault } from './flags/flag'
import type { Io } from './io'
import { openRetrieverFor, retrieverFlags, type RetrieverValues } from './retrieval'

export const documentsFlags = {
  documents: text('texts to answer from: a file or folder as `jora data raft` reads them', 'FILE or DIR'),
  index: text('an index to answer from, that --documents with --index-dir made', 'DIR'),
  retrieve: withDefault(integer('passages of them that each question gets', 1), 3),
  chunkTokens: withDefault(integer('longest passage, in tokens', 16), 256),
  ...retrieverFlags,
}

/** The passages of `path`, titles kept. @throws DatasetError for what cannot be read */
async function readPassages(
  path: string,
  options: { readonly tokenizer: Tokenizer; readonly chunkTokens: number },
): Promise<ContextDocument[]> {
  const documents = await readDocuments(path)
  const passages = documents.flatMap((document) => chunkDocument(document, options))
  return passages.map(({ title, text: passage }) =>
    title === undefined ? { text: passage } : { title, text: passage },
  )
}

interface PassagesValues extends RetrieverValues {
  readonly documents: string | undefined
  readonly index: string | undefined
  readonly chunkTokens: number
  readonly retrieve: number
}

/** What answerers answer from, until it is disposed. */
interface Passages {
  readonly wrap: (answerer: Answerer) => Answerer
  dispose(): void
}

/**
 * What makes an answerer one that finds passages of `--documents` or `--index` first; as it is without them.
 * @throws UsageError for both, and for an index of another encoder; DatasetError | ModelError | HubError for documents, an index
 *   or an encoder that cannot be used
 */
export async function openPassages(
  values: PassagesValues,
  { tokenizer, device }: { readonly tokenizer: Tokenizer; readonly device: Device },
  io: Io,
): Promise<Passages> {
  const { documents, index } = values
  if (documents !== undefined && index !== undefined)
    throw new UsageError('--documents and --index: pass one of them, texts to read or an index that was made of some')
  if (index !== undefined) return openIndex(values, index, device, io)
  if (documents === undefined) return { wrap: (answerer) => answerer, dispose: () => {} }
  const { chunkTokens, indexDir } = values
  const passages = await readPassages(documents, { tokenizer, chunkTokens })
  const opened = await openRetrieverFor(values, documents, device, io)
  const found = await retrievingFrom(values, passages, opened)
  if (indexDir !== undefined) await writeCollection(indexDir, { passages, chunkTokens, encoder: opened.encoder })
  return found
}

/** The passages of an index, found by its encoder or by words alone. */
async function openIndex(values: PassagesValues, index: string, device: Device, io: Io): Promise<Passages> {
  const { passages, encoder } = await readCollection(index)
  const retriever = { ...values, embedder: values.embedder ?? encoder?.model, indexDir: index }
  const opened = await openRetrieverFor(retriever, index, device, io)
  const used = opened.encoder
  if (encoder && used && used.digest !== encoder.digest) {
    opened.dispose()
    throw new UsageError(
      `--index ${index}: its vectors are of the encoder ${encoder.model} (${encoder.digest.slice(0, 12)}), ` +
        `not of ${used.model} (${used.digest.slice(0, 12)}): pass --embedder with its own, or make it anew with --documents`,
    )
  }
  return retrievingFrom(values, passages, opened)
}

async function retrievingFrom(
  { retrieve: limit }: PassagesValues,
  passages: readonly ContextDocument[],
  opened: OpenedRetriever,
): Promise<Passages> {
  const retriever = await documentRetriever(passages, opened.open)
  return { wrap: (answerer) => retrieving(answerer, passages, { limit, retriever }), dispose: () => opened.dispose() }
}
