// What says that documents are those of another time: their names and all that is in them.

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { readBytes } from '../rows/files'
import { readerOf } from './readers/index'
import { statDocuments, walkFolder } from './walk'

/** SHA-256 of a file's bytes, in hex. @throws DatasetError when it cannot be read */
export async function fileDigest(file: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of readBytes(file)) hash.update(bytes)
  return hash.digest('hex')
}

/**
 * SHA-256 of all that {@link readDocuments} would read of a file or folder, in hex: contents and names, of other files the names.
 *
 * @throws DatasetError when there is nothing, or a file cannot be read; the signal's reason
 */
export async function documentsDigest(path: string, signal?: AbortSignal): Promise<string> {
  if (!(await statDocuments(path)).isDirectory()) return fileDigest(path)
  const hash = createHash('sha256')
  for (const name of (await walkFolder(path)).names) {
    signal?.throwIfAborted()
    const digest = typeof readerOf(name) === 'string' ? '' : await fileDigest(join(path, name))
    hash.update(JSON.stringify([name, digest]))
  }
  return hash.digest('hex')
}
