// Reading what an importer needs from disk.

import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { walkFolder } from '../documents/walk'
import { DatasetError } from '../errors'
import { readChunks, readText } from '../rows/files'
import type { CheckOptions } from '../rows/fields'
import { readItems } from '../records/records'
import type { Row } from '../rows/row-formats'
import { importFormats, type ImportFormat, type ImportFormatName } from './index'
import type { Imported, ImportOptions, InputFiles } from './imported'
import { RecordImport } from './records'

/** Where {@link importDataset} puts the rows it makes. */
export interface ImportSink extends CheckOptions {
  /**
   * Called with each row as soon as it is complete; a promise that it returns is awaited. `rows` of the result is then
   * empty. In formats where later records add to earlier rows, the rows come at the end.
   */
  onRow?: (row: Row) => void | Promise<void>
}

/**
 * Reads a file or folder of a published format as rows. A file of records is read as a stream: with `onRow` memory does not
 * grow with it.
 *
 * @param input the file, or the folder of the format's layout
 * @param options `splitFile` is a path in the folder, or from the working directory
 * @throws DatasetError when the input is missing, no text, or as a whole not of this format; what is wrong with single
 *   questions is in `refused`
 */
export async function importDataset(
  format: ImportFormatName,
  input: string,
  options: ImportOptions & ImportSink = {},
): Promise<Imported> {
  const entry: ImportFormat = importFormats[format]
  const { onRow } = options
  const imported = entry.records
    ? await importFile(entry, input, options)
    : entry.convert(await readInput(entry, input, options), options)
  if (onRow === undefined) return imported
  for (const row of imported.rows) await onRow(row)
  return { ...imported, rows: [] }
}

async function importFile(entry: ImportFormat, input: string, options: ImportOptions & ImportSink): Promise<Imported> {
  await checkInput(entry, input)
  const reading = new RecordImport(entry.records!(options))
  const grows = entry.grows?.(options) ?? false
  for await (const item of readItems(readChunks(input), input, { numbers: 'source' })) {
    const row = reading.take(item)
    if (row === undefined) continue
    if (options.onRow === undefined || grows) reading.imported.rows.push(row)
    else await options.onRow(row)
  }
  return reading.imported
}

async function checkInput(format: ImportFormat, input: string): Promise<'a folder' | 'a file'> {
  const found = await stat(input).catch(() => undefined)
  if (found === undefined) throw new DatasetError({ file: input, problem: 'no such file or folder' })
  const kind = found.isDirectory() ? 'a folder' : 'a file'
  if (!format.input.includes(kind))
    throw new DatasetError({ file: input, problem: `is ${kind}; expected ${format.input}${holding(format)}` })
  return kind
}

async function readInput(format: ImportFormat, input: string, options: ImportOptions): Promise<InputFiles> {
  const kind = await checkInput(format, input)
  if (kind === 'a file') return new Map([[input, await readText(input)]])
  const { names: paths } = await walkFolder(input)
  const files = new Map<string, string>()
  // One after the other: some releases have more files than a process may hold open.
  for (const path of paths.filter((name) => format.reads?.(name, options)).sort(byNumber.compare))
    files.set(path, await readText(join(input, path)))
  if (files.size === 0) throw new DatasetError({ file: input, problem: `expected a folder${holding(format)}` })
  const { splitFile } = options
  if (splitFile !== undefined) {
    const inside = join(input, splitFile)
    files.set(splitFile, await readText((await stat(inside).catch(() => undefined)) ? inside : splitFile))
  }
  return files
}

const holding = ({ holds }: ImportFormat): string => (holds === undefined ? '' : ` holding ${holds}`)

/** `qa2` before `qa10`. */
const byNumber = new Intl.Collator('en', { numeric: true })
