// XLSX: each sheet as a table, cells as a spreadsheet shows them: results of formulas, dates as dates.

import { DatasetError } from '../../errors'
import { tableOfRows } from '../formats/grid'
import { childNamed, elementsOf, firstNamed, named, textOf, type Document, type Element } from '../formats/markup'
import { openPackage, requiredPart, type Package } from '../formats/office'
import type { Reader } from './reader'

/** A sheet with a cell at its far end would fill the memory with empty ones. */
const mostCells = 5_000_000

export const xlsxReader = {
  summary: 'spreadsheets, a table a sheet',
  extensions: ['.xlsx', '.xlsm'],
  async *read(bytes, file) {
    const office = await openPackage(bytes, file)
    const workbook = await requiredPart(office, 'xl/workbook.xml', file, 'spreadsheet')
    const links = await office.links('xl/workbook.xml')
    const shared = await sharedStrings(office)
    const isDate = dateStyles(await office.part('xl/styles.xml'))
    const from1904 = firstNamed(workbook, 'workbookPr')?.attribs.date1904 === '1'
    let row = 0
    for (const { attribs } of named(workbook, 'sheet')) {
      row++
      const target = links.get(attribs['r:id'] ?? '')?.target
      const sheet = target === undefined ? undefined : await office.part(target)
      if (sheet === undefined) continue
      const table = tableOfRows(rowsOf(sheet, { shared, isDate, from1904, file }))
      const title = attribs.name ?? String(row)
      if (table !== undefined) yield { row, part: title, title, table }
    }
  },
} as const satisfies Reader

async function sharedStrings(office: Package): Promise<string[]> {
  const part = await office.part('xl/sharedStrings.xml')
  return part === undefined ? [] : [...named(part, 'si')].map(richText)
}

/** The text of a string's runs, without how it is pronounced. */
const richText = (element: Element): string =>
  elementsOf(element)
    .map((child) => (child.name === 't' ? textOf(child) : child.name === 'r' ? richText(child) : ''))
    .join('')

/** Which styles of cells show dates, by number. */
function dateStyles(styles: Document | undefined): boolean[] {
  if (styles === undefined) return []
  const formats = new Map<number, string>()
  for (const { attribs } of named(styles, 'numFmt')) formats.set(Number(attribs.numFmtId), attribs.formatCode ?? '')
  const used = firstNamed(styles, 'cellXfs')
  return (used ? elementsOf(used) : []).map(({ attribs }) => {
    const id = Number(attribs.numFmtId ?? 0)
    const code = formats.get(id)?.replace(/"[^"]*"|\\.|\[[^\]]*\]/g, '')
    return code === undefined
      ? (id >= 14 && id <= 22) || (id >= 45 && id <= 47)
      : /[dmyhs]/i.test(code) && !/[#0?]/.test(code)
  })
}

interface Sheet {
  shared: readonly string[]
  isDate: readonly boolean[]
  from1904: boolean
  file: string
}

function rowsOf(sheet: Document, options: Sheet): string[][] {
  const rows: string[][] = []
  const data = firstNamed(sheet, 'sheetData')
  let [width, cells] = [0, 0]
  for (const tr of data ? elementsOf(data) : []) {
    const row: string[] = []
    for (const cell of elementsOf(tr)) {
      if (cell.name !== 'c') continue
      const text = cellText(cell, options)
      if (text === '') continue
      const at = columnOf(cell.attribs.r) ?? row.length
      while (row.length < at) row.push('')
      row[at] = text
    }
    width = Math.max(width, row.length)
    cells = width * ++rows.length
    if (row.length > 16_384 || cells > mostCells)
      throw new DatasetError({
        file: options.file,
        problem: `a sheet has more than ${mostCells} cells, most of them empty`,
      })
    rows[rows.length - 1] = row
  }
  return rows
}

/** `BC12` → 54 */
function columnOf(reference: string | undefined): number | undefined {
  const letters = /^[A-Z]{1,3}/.exec(reference ?? '')?.[0]
  if (letters === undefined) return undefined
  return [...letters].reduce((n, letter) => n * 26 + letter.charCodeAt(0) - 64, 0) - 1
}

function cellText(cell: Element, { shared, isDate, from1904 }: Sheet): string {
  const { t: type, s: style } = cell.attribs
  if (type === 'inlineStr') return richText(childNamed(cell, 'is') ?? cell).trim()
  const value = childNamed(cell, 'v')
  if (value === undefined) return ''
  const text = textOf(value)
  if (type === 's') return (shared[Number(text)] ?? '').trim()
  if (type === 'b') return text === '1' ? 'TRUE' : 'FALSE'
  if (type === 'str' || type === 'e' || type === 'd') return text.trim()
  if (isDate[Number(style)] === true) return dateText(Number(text), from1904)
  // As it was typed: 0.1 + 0.2 is kept with 17 digits.
  return text === '' || !Number.isFinite(Number(text)) ? text : String(Number(Number(text).toPrecision(15)))
}

/** Days since the end of 1899, or since 1904, as ISO writes them. */
function dateText(days: number, from1904: boolean): string {
  const date = new Date(Math.round((days - (from1904 ? 24_107 : 25_569)) * 86_400) * 1000)
  if (Number.isNaN(date.getTime())) return String(days)
  const [day = '', time = ''] = date.toISOString().split('T')
  const clock = time.slice(0, 8)
  return days < 1 ? clock : clock === '00:00:00' ? day : `${day} ${clock}`
}
