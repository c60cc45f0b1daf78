// WikiTableQuestions (Pasupat and Liang 2015): questions on tables of Wikipedia, in the layout of the official release.

import { parseCsv } from '../rows/csv'
import { DatasetError } from '../errors'
import type { ContextQuestion } from '../rows/row-formats'
import type { Imported, ImportOptions, InputFiles, TableFormat } from './imported'
import { splitTsv, tableText, unescapeTsv } from './tables'

const COLUMNS = ['id', 'utterance', 'context', 'targetValue'] as const

/** One row a table, in order of first appearance: its text, and all its questions. */
export function importWikiTableQuestions(files: InputFiles, options: ImportOptions): Imported {
  const file = options.splitFile ?? onlySplit(files)
  const [header = [], ...lines] = splitTsv(files.get(file) ?? '')
  const places = COLUMNS.map((name) => header.indexOf(name))
  if (places.includes(-1)) {
    const problem = `got the columns ${header.join(', ') || 'of an empty file'}; expected ${COLUMNS.join(', ')}`
    throw new DatasetError({ file, line: 1, problem })
  }
  const imported: Imported = { rows: [], refused: [], read: 0 }
  const tables = new Map<string, TableRow | string>()
  lines.forEach((cells, i) => {
    if (cells.length === 1 && cells[0]!.trim() === '') return
    imported.read++
    const [id, question, path, target] = places.map((place) => cells[place] ?? '') as [string, string, string, string]
    const refuse = (reason: string) => imported.refused.push({ file, row: i + 2, id, reason })
    if (cells.length !== header.length)
      return refuse(`broken line: got ${cells.length} cells, expected ${header.length}`)
    if (question.trim() === '') return refuse('empty question')
    const answer = target.split('|').map((item) => unescapeTsv(item).replaceAll('|', '\\p'))
    if (answer.every((item) => item.trim() === '')) return refuse('empty answer')
    const known = tables.get(path)
    const table = known ?? openTable(path, files, options.tableFormat ?? 'markdown')
    tables.set(path, table)
    if (typeof table === 'string') return refuse(table)
    // A row comes with its first good question.
    if (table.questions.length === 0) imported.rows.push(table)
    table.questions.push({ id, question: unescapeTsv(question), answer: answer.join('|') })
  })
  return imported
}

interface TableRow {
  context: string
  questions: ContextQuestion[]
  metric: 'denotation'
}

function onlySplit(files: InputFiles): string {
  const splits = [...files.keys()].filter((path) => /^data\/[^/]*\.tsv$/.test(path))
  if (splits.length === 1) return splits[0]!
  const problem =
    splits.length === 0
      ? 'no data/*.tsv in the input; expected the folder of the official release'
      : `several files of questions: ${splits.join(', ')}; expected one of them as the split file (--split-file)`
  throw new DatasetError({ problem })
}

/** The table at a path of the release, or why its questions are refused. */
function openTable(path: string, files: InputFiles, format: TableFormat): TableRow | string {
  if (/^[/\\]|^[a-z]:/i.test(path) || path.split(/[/\\]/).includes('..'))
    return `path out of the input: ${JSON.stringify(path)}`
  const stem = path.replace(/^(\.\/)+/, '').replace(/\.(csv|tsv)$/, '')
  const [tsv, csv] = [files.get(`${stem}.tsv`), files.get(`${stem}.csv`)]
  // Both hold the same table; only the TSV says without doubt where a cell ends.
  const file = tsv === undefined ? `${stem}.csv` : `${stem}.tsv`
  if (tsv === undefined && csv === undefined) return `missing table: there is no ${file}`
  try {
    const rows =
      tsv === undefined
        ? parseCsv(csv!, file, { backslashQuotes: true }).map(({ cells }) => cells)
        : splitTsv(tsv).map((row) => row.map(unescapeTsv))
    const width = rows[0]?.length ?? 0
    if (width === 0) return `empty table: ${file}`
    const ragged = rows.findIndex((row) => row.length !== width)
    if (ragged >= 0)
      return `ragged table: ${file}: row ${ragged + 1}: got ${rows[ragged]!.length} cells, expected ${width}`
    return { context: tableText(rows, format), questions: [], metric: 'denotation' }
  } catch (error) {
    if (error instanceof DatasetError) return `broken table: ${error.message}`
    throw error
  }
}
