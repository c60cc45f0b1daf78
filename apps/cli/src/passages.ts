// Documents that answers are made from: read from files and folders, cut into passages.
import { chunkDocument, readDocuments, type ContextDocument, type Tokenizer } from '@jora/data'
import { integer, text, withDefault } from './flags/flag'

export const documentsFlags = {
  documents: text('texts to answer from: a file or folder as `jora data raft` reads them', 'FILE or DIR'),
  retrieve: withDefault(integer('passages of them that each question gets', 1), 3),
  chunkTokens: withDefault(integer('longest passage, in tokens', 16), 256),
}

/** The passages of `path`, titles kept. @throws DatasetError for what cannot be read */
export async function readPassages(
  path: string,
  options: { readonly tokenizer: Tokenizer; readonly chunkTokens: number },
): Promise<ContextDocument[]> {
  const documents = await readDocuments(path)
  const passages = documents.flatMap((document) => chunkDocument(document, options))
  return passages.map(({ title, text: passage }) =>
    title === undefined ? { text: passage } : { title, text: passage },
  )
}
