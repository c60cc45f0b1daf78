// A collection of passages kept on disk, to be opened again without its documents: `passages.jsonl`, `index.json` that says how it was
// made, and beside them the vectors of a sentence encoder.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatasetError, type ContextDocument } from '@jora/data'
import { jsonLines, makeFolder, writeJsonAtomic, writeLinesAtomic } from '@jora/tensor/files'

const manifestName = 'index.json'
const passagesName = 'passages.jsonl'
const format = 'jora-index'
const version = 1

/** The sentence encoder whose vectors an index keeps. */
export interface IndexEncoder {
  /** What it was opened by: a folder or a Hub id. */
  readonly model: string
  readonly digest: string
}

/** Passages, and how they were made. */
export interface Collection {
  readonly passages: readonly ContextDocument[]
  /** The longest passage, in tokens. */
  readonly chunkTokens: number
  /** Absent where passages are found by words alone. */
  readonly encoder?: IndexEncoder | undefined
}

/**
 * Keeps a collection in a folder, in place of the one that is there.
 * @throws Error of the system when it cannot be written
 */
export async function writeCollection(dir: string, { passages, chunkTokens, encoder }: Collection): Promise<void> {
  await makeFolder(dir)
  await writeLinesAtomic(join(dir, passagesName), jsonLines(passages))
  // Last: a folder that has it is whole.
  await writeJsonAtomic(join(dir, manifestName), { format, version, passages: passages.length, chunkTokens, encoder })
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** @throws DatasetError for text that is no JSON */
function parsed(text: string, file: string, line?: number): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new DatasetError({
      file,
      ...(line === undefined ? {} : { line }),
      problem: `no JSON: ${(cause as Error).message}`,
    })
  }
}

function passageOf(value: unknown, file: string, line: number): ContextDocument {
  if (!isObject(value) || typeof value.text !== 'string' || !['string', 'undefined'].includes(typeof value.title))
    throw new DatasetError({ file, line, problem: 'expected an object with a text, and perhaps a title' })
  const { title, text } = value
  return typeof title === 'string' ? { title, text } : { text }
}

/**
 * Opens the collection of a folder.
 * @throws DatasetError naming the file, for a folder that is no index, one of another version, and one that was damaged
 */
export async function readCollection(dir: string): Promise<Collection> {
  const [manifest, list] = [join(dir, manifestName), join(dir, passagesName)]
  const read = (file: string) =>
    readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      const problem =
        error.code === 'ENOENT' || error.code === 'ENOTDIR' ? `${dir} is not an index of passages` : error.message
      throw new DatasetError({ file, problem })
    })
  const about = parsed(await read(manifest), manifest)
  if (!isObject(about) || about.format !== format)
    throw new DatasetError({
      file: manifest,
      problem: `${dir} is not an index of passages: its format is not ${format}`,
    })
  if (about.version !== version)
    throw new DatasetError({ file: manifest, problem: `is of version ${String(about.version)}, expected ${version}` })
  const { passages: count, chunkTokens, encoder } = about
  if (typeof count !== 'number' || typeof chunkTokens !== 'number')
    throw new DatasetError({ file: manifest, problem: 'passages and chunkTokens should be numbers' })
  if (
    encoder !== undefined &&
    !(isObject(encoder) && typeof encoder.model === 'string' && typeof encoder.digest === 'string')
  )
    throw new DatasetError({ file: manifest, problem: 'encoder should have a model and a digest' })
  const lines = (await read(list)).split('\n').slice(0, -1)
  if (lines.length !== count)
    throw new DatasetError({ file: list, problem: `has ${lines.length} passages, expected ${count}` })
  const passages = lines.map((line, i) => passageOf(parsed(line, list, i + 1), list, i + 1))
  return { passages, chunkTokens, ...(encoder ? { encoder: encoder as unknown as IndexEncoder } : {}) }
}
