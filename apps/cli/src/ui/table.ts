// Columns of text, each as wide as its widest cell; and facts in a row, as many as a line takes.
import type { Output } from '../io'
import { widthOf } from './status-line'
import type { Style } from './style'

/** Cells of a row that is alone in it may run on; the last of a row is not padded. */
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

/** Facts with dots between them; those that a terminal has no room for begin a line of their own, set in. */
export function factLine(facts: readonly string[], { isTTY, columns }: Output, { dim }: Style): string {
  const dot = dim(' · ')
  const lines: string[] = []
  for (const fact of facts) {
    const last = lines.at(-1)
    const longer = last === undefined ? fact : `${last}${dot}${fact}`
    if (last === undefined || !isTTY || widthOf(longer) <= columns) lines.splice(-1, 1, longer)
    else lines.push(`  ${fact}`)
  }
  return lines.join('\n')
}
