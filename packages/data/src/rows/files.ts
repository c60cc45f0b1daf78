// Reading texts, rows and tokenizers from disk.

import { createReadStream } from 'node:fs'
import { access, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatasetError, type RowOrigin } from '../errors'
import { decodeText, decodeWhole } from '../records/decode'
import { parquetRows } from '../records/parquet'
import { valueOf, type RecordItem } from '../records/records'
import type { Row } from './row-formats'
import { readRows, type RowOptions } from './rows'
import { parquetRecords, recordsOfFile } from './sources'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { parseTokenizer, tokenizerFileNames, type TokenizerFiles } from '../tokenizer/tokenizer-files'

/** What a reader of a file reports. */
export interface ReadOptions {
  /** Called with the bytes as they are read, e.g. to hash the file without reading it again. */
  onBytes?: (bytes: Uint8Array) => void
}

/** The bytes of a file as they are read. @throws DatasetError when it is missing or a folder */
export async function* readBytes(file: string, { onBytes }: ReadOptions = {}): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of createReadStream(file, { highWaterMark: 1 << 18 })) {
      onBytes?.(chunk as Uint8Array)
      yield chunk as Uint8Array
    }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error
    const problems: Record<string, string> = { ENOENT: 'no such file', EISDIR: 'is a folder; expected a file' }
    throw new DatasetError({ file, problem: problems[String(error.code)] ?? error.message })
  }
}

/** The records of a file one by one; of a Parquet file a row group is in memory, and of a table of cells all of it. */
const recordsIn = (file: string, options?: ReadOptions): AsyncGenerator<RecordItem> =>
  /\.parquet$/i.test(file) ? parquetIn(file, options) : recordsOfFile(readBytes(file, options), file)

async function* parquetIn(file: string, options?: ReadOptions): AsyncGenerator<RecordItem> {
  const found = await stat(file).catch(() => undefined)
  if (!found?.isFile()) return yield* recordsOfFile(readBytes(file, options), file)
  // It is read by range, which tells nobody its bytes in order.
  if (options?.onBytes) for await (const _ of readBytes(file, options));
  await using handle = await open(file)
  const slice = async (from: number, to = found.size): Promise<ArrayBuffer> => {
    const bytes = new Uint8Array(to - from)
    for (let done = 0; done < bytes.length;) {
      const { bytesRead } = await handle.read(bytes, done, bytes.length - done, from + done)
      if (bytesRead === 0) throw new DatasetError({ file, problem: 'was cut while it was read' })
      done += bytesRead
    }
    return bytes.buffer
  }
  yield* parquetRecords(await parquetRows({ byteLength: found.size, slice }, file), file)
}

/**
 * The text of a file piece by piece: UTF-8, or UTF-16 with a byte order mark, which is left out.
 * @throws DatasetError when it is missing, a folder, or not such text
 */
export const readChunks = (file: string, options?: ReadOptions): AsyncGenerator<string> =>
  decodeText(readBytes(file, options), file)

/**
 * The file's text, without a byte order mark.
 * @throws DatasetError when it is missing, a folder, not text, or longer than the 512 MB that a string can have
 */
export const readText = (file: string): Promise<string> => decodeWhole(readBytes(file), file)

/**
 * The text of a small file beside a model or an adapter, such as config.json; undefined where there is no such file.
 *
 * @throws DatasetError when it cannot be read, is not text, or stands for another file (a Git LFS pointer)
 */
export async function readTextIfThere(path: string): Promise<string | undefined> {
  try {
    await access(path)
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined
  }
  let text = ''
  for await (const chunk of readChunks(path)) text += chunk
  return text
}

/**
 * Reads a dataset file: JSON array or JSONL (see {@link parseRows}) as a stream, of which only the rows are held in memory; CSV,
 * TSV and Parquet as their columns are called.
 * @throws DatasetError when it is missing, not text, or has a bad row
 */
export async function loadRows(file: string, options?: ReadOptions & RowOptions): Promise<Row[]> {
  const rows: Row[] = []
  for await (const row of streamRows(file, options)) rows.push(row)
  return rows
}

/**
 * The rows of a dataset file one by one, as {@link loadRows} reads them: of JSON and JSONL only the row at hand is in
 * memory, of Parquet a row group.
 * @throws DatasetError when it is missing, not text, or has a bad row
 */
export const streamRows = (file: string, options?: ReadOptions & RowOptions): AsyncGenerator<Row> =>
  readRows(recordsIn(file, options), file, options)

/**
 * Reads a file of preferences, each row checked by `check`.
 * @throws DatasetError when it is missing, not text, or has a bad row
 */
export async function loadChecked<R>(
  file: string,
  check: (value: unknown, origin: RowOrigin) => R,
  options?: ReadOptions,
): Promise<R[]> {
  const rows: R[] = []
  for await (const row of streamChecked(file, check, options)) rows.push(row)
  return rows
}

/**
 * The rows of a file of preferences one by one, as {@link loadChecked} reads them.
 * @throws DatasetError when it is missing, not text, or has a bad row
 */
export async function* streamChecked<R>(
  file: string,
  check: (value: unknown, origin: RowOrigin) => R,
  options?: ReadOptions,
): AsyncGenerator<R> {
  for await (const item of recordsIn(file, options)) {
    const { value, origin } = valueOf(item)
    yield check(value, origin)
  }
}

/**
 * Loads the tokenizer of a Hugging Face model folder: tokenizer.json, or vocab.json and merges.txt, and where present
 * tokenizer_config.json, added_tokens.json, special_tokens_map.json, chat templates, generation_config.json and config.json.
 * @throws Error when tokenizer.json is missing or a file is not JSON, naming the file
 */
export async function loadTokenizer(dir: string): Promise<Tokenizer> {
  const read = async (name: string) => [name, await readTextIfThere(join(dir, name))] as const
  const files: TokenizerFiles = Object.fromEntries(await Promise.all(tokenizerFileNames.map(read)))
  return parseTokenizer(files, dir)
}
