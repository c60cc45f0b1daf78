// Reading what an importer needs from disk.

import { readdir, stat } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { DatasetError } from '../errors'
import { readText } from '../rows/files'
import { importFormats, type ImportFormat, type ImportFormatName } from './index'
import type { Imported, ImportOptions, InputFiles } from './imported'

/**
 * Reads a file or folder of a published format as rows.
 *
 * @param input the file, or the folder of the format's layout
 * @param options `splitFile` is a path in the folder, or from the working directory
 * @throws DatasetError when the input is missing, no UTF-8, or as a whole not of this format; what is wrong with single
 *   questions is in `refused`
 */
export async function importDataset(
  format: ImportFormatName,
  input: string,
  options: ImportOptions = {},
): Promise<Imported> {
  const entry: ImportFormat = importFormats[format]
  return entry.convert(await readInput(entry, input, options), options)
}

async function readInput(format: ImportFormat, input: string, options: ImportOptions): Promise<InputFiles> {
  const found = await stat(input).catch(() => undefined)
  if (found === undefined) throw new DatasetError({ file: input, problem: 'no such file or folder' })
  const kind = found.isDirectory() ? 'a folder' : 'a file'
  if (!format.input.includes(kind))
    throw new DatasetError({ file: input, problem: `is ${kind}; expected ${format.input}${holding(format)}` })
  if (kind === 'a file') return new Map([[input, await readText(input)]])
  const paths = (await readdir(input, { recursive: true })).map((path) => path.replaceAll(sep, '/'))
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
