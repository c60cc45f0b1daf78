// Columns of text, each as wide as its widest cell.
import { widthOf } from './status-line'

/** Cells of a row that stands alone in it may run on; the last of a row is not padded. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows) {
    if (row.length === 1) continue
    row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, widthOf(cell))))
  }
  return rows.map((row) =>
    row.map((cell, i) => (i === row.length - 1 ? cell : cell + ' '.repeat(widths[i]! - widthOf(cell) + 2))).join(''),
  )
}
