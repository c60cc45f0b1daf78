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
import type { Device } from '@jora/tensor'
import { integer, text, withDefault } from './flags/flag'
import type { Io } from './io'
import { openRetrieverFor, retrieverFlags, type RetrieverValues } from './retrieval'

export const documentsFlags = {
  documents: text('texts to answer from: a file or folder as `jora data raft` reads them', 'FILE or DIR'),
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

/**
 * What makes an answerer one that finds passages of `--documents` first; as it is without them.
 * @throws DatasetError | ModelError | HubError for documents or an encoder that cannot be used
 */
export async function openPassages(
  values: RetrieverValues & {
    readonly documents: string | undefined
    readonly chunkTokens: number
    readonly retrieve: number
  },
  { tokenizer, device }: { readonly tokenizer: Tokenizer; readonly device: Device },
  io: Io,
): Promise<{ readonly wrap: (answerer: Answerer) => Answerer; dispose(): void }> {
  const { documents, chunkTokens, retrieve: limit } = values
  if (documents === undefined) return { wrap: (answerer) => answerer, dispose: () => {} }
  const passages = await readPassages(documents, { tokenizer, chunkTokens })
  const opened = await openRetrieverFor(values, documents, device, io)
  const retriever = await documentRetriever(passages, opened.open)
  return { wrap: (answerer) => retrieving(answerer, passages, { limit, retriever }), dispose: () => opened.dispose() }
}
