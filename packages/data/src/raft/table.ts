// Tables as documents, read from CSV and TSV.

import { parseCsv } from '../rows/csv'
import { DatasetError } from '../errors'

/** Cells by column; every row is as long as the header. */
export interface Table {
  header: readonly string[]
  rows: readonly (readonly string[])[]
}

/** What may be between cells, the likeliest first. */
const delimiters = [',', ';', '\t', '|']

/**
 * Reads a table whose first record is its header. The separator is the one that gives every record as many cells as the
 * header, and the most of them; in `.tsv` files a tab where that fits. RFC 4180 quotes enclose cells (or the `\"` of
 * WikiTableQuestions, where RFC quotes do not fit); in a table of tabs they do only where a cell could not be written
 * otherwise, and else are characters like others. A first line `sep=;`, as Excel writes it, decides.
 * @param file the file's name, for errors
 * @throws DatasetError naming the record, counted with the header as a spreadsheet does, that has more or fewer cells
 */
export function parseTable(text: string, file: string): Table {
  try {
    return parseEvenTable(text, file)
  } catch (error) {
    return withShortRows(text, file) ?? fail(error)
  }
}

/** A table whose rows leave out empty cells at their ends, between commas, semicolons or tabs; undefined where it is none. */
function withShortRows(text: string, file: string): Table | undefined {
  for (const delimiter of [',', ';', '\t']) {
    const read = attempt(() => parseCsv(text, file, { delimiter }))
    const [header, ...rows] = read.value?.map(({ cells }) => cells) ?? []
    if (header === undefined || header.length < 3 || rows.length < 3) continue
    // One that is cut short here and there, not a text with commas.
    if (rows.some(({ length }) => length > header.length || length < 2)) continue
    return { header, rows: rows.map((cells) => header.map((_, i) => cells[i] ?? '')) }
  }
  return undefined
}

function parseEvenTable(text: string, file: string): Table {
  const [, named] = /^\uFEFF?sep=([^\r\n])\r?\n/.exec(text) ?? []
  // An empty line in its place keeps the count of lines.
  if (named !== undefined) return readTable(text.replace(/^.*/, ''), file, named)
  const isTabbed = /\.(tsv|tab)$/i.test(file)
  const likely = isTabbed ? ['\t', ...delimiters.filter((each) => each !== '\t')] : delimiters
  let [best, failure]: [Table | undefined, unknown] = [undefined, undefined]
  const header = text.slice(0, 10_000).split(/\r?\n|\r/, 1)[0]!
  for (const delimiter of likely) {
    if (best !== undefined && !header.includes(delimiter)) continue
    if (best === undefined && failure !== undefined && !header.includes(delimiter)) continue
    try {
      const table = readTable(text, file, delimiter)
      if (best === undefined || table.header.length > best.header.length) best = table
    } catch (error) {
      failure ??= error
    }
    if (isTabbed && best !== undefined && best.header.length > 1) break
  }
  if (best === undefined) throw failure
  return best
}

function readTable(text: string, file: string, delimiter: string): Table {
  if (delimiter === '\t') {
    const plain = attempt(() => tableOf(text, file, { delimiter, quotes: false }))
    if (!/(^|\t|\n)"/.test(text)) return plain.value ?? fail(plain.error)
    const quoted = attempt(() => tableOf(text, file, { delimiter }))
    const needsQuotes = quoted.value?.rows.some((row) => row.some((cell) => /[\t\n\r"]/.test(cell))) ?? false
    if (needsQuotes || plain.value === undefined) return quoted.value ?? fail(plain.error)
    return plain.value
  }
  const strict = attempt(() => tableOf(text, file, { delimiter }))
  if (strict.value !== undefined) return strict.value
  const lenient = text.includes('\\"')
    ? attempt(() => tableOf(text, file, { delimiter, backslashQuotes: true }))
    : strict
  return lenient.value ?? fail(strict.error)
}

interface Attempt<T> {
  value?: T
  error?: unknown
}

function attempt<T>(make: () => T): Attempt<T> {
  try {
    return { value: make() }
  } catch (error) {
    return { error }
  }
}

function fail(error: unknown): never {
  throw error
}

function tableOf(text: string, file: string, options: Parameters<typeof parseCsv>[2]): Table {
  const [first, ...records] = parseCsv(text, file, options)
  const header = first?.cells ?? []
  for (const [i, { cells, line }] of records.entries()) {
    if (cells.length === header.length) continue
    const problem = `got ${cells.length} cells; expected ${header.length}, as in the header`
    throw new DatasetError({ file, row: i + 2, line, problem })
  }
  return { header, rows: records.map(({ cells }) => cells) }
}
