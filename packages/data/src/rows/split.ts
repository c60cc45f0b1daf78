// Which rows are trained and which are held out.

import { deriveSeed, shuffle } from '../random'
import type { Row } from './row-formats'

/** What rows share that must not be seen in training and asked about afterwards; undefined where there is nothing. */
export function contextKey(row: Row): string | undefined {
  if ('questions' in row) return typeof row.context === 'string' ? row.context : JSON.stringify(row.context)
  return 'input' in row && row.input !== undefined && row.input !== '' ? row.input : undefined
}

/**
 * Rows that say where they belong go there. Of the others about `1 − split` are held out, at least one and never all, rows
 * of one context together.
 */
export function splitRows(rows: readonly Row[], split: number, seed: number): { train: Row[]; heldOut: Row[] } {
  const free = rows.filter((row) => row.split === undefined)
  const groups = new Map<string | number, Row[]>()
  free.forEach((row, i) => {
    const key = contextKey(row) ?? i
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  })
  const wanted = split === 1 ? 0 : Math.min(Math.max(1, free.length - Math.round(free.length * split)), free.length - 1)
  const heldOut = new Set(rows.filter((row) => row.split === 'test'))
  const order = shuffle([...groups.values()], deriveSeed(seed, 'split'))
  let count = 0
  for (let last = order.length - 1; last > 0 && count < wanted; last--) {
    for (const row of order[last]!) heldOut.add(row)
    count += order[last]!.length
  }
  return { train: rows.filter((row) => !heldOut.has(row)), heldOut: rows.filter((row) => heldOut.has(row)) }
}
