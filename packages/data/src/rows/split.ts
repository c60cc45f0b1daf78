// Which rows are trained and which are held out.

import { textHash } from '../hash'
import { deriveSeed, shuffle } from '../random'
import { chooseSizes } from './choose-sizes'
import type { Row } from './row-formats'

/** What rows share that must not be seen in training and asked about afterwards; undefined where there is nothing. */
export function contextKey(row: Row): string | undefined {
  if ('questions' in row) return typeof row.context === 'string' ? row.context : JSON.stringify(row.context)
  return 'input' in row && row.input !== undefined && row.input !== '' ? row.input : undefined
}

/** What a row asks: equal for rows that ask the same of the same, whatever their answers are. */
function questionKey(row: Row): string {
  if ('questions' in row) return JSON.stringify([row.context, row.questions.map(({ question }) => question)])
  if ('input_ids' in row) {
    const begin = row.labels.findIndex((label, t) => t > 0 && label >= 0)
    return JSON.stringify(row.input_ids.slice(0, Math.max(begin, 0)))
  }
  if ('messages' in row) {
    const last = row.messages.findLastIndex(({ role, weight }) => role === 'assistant' && weight === undefined)
    return JSON.stringify(row.messages.slice(0, last))
  }
  if ('prompt' in row) return row.prompt
  return JSON.stringify([row.instruction, row.input ?? '', row.system ?? '', row.history ?? []])
}

/** Equal for rows that are the same. */
const rowKey = ({ origin: _origin, ...row }: Row): string => JSON.stringify(row)

/** Rows by side. */
export interface RowSplit {
  train: Row[]
  heldOut: Row[]
  /** Rows of contexts that were parted between both, for they were too large to stay whole; 0 where none was. */
  parted: number
}

/**
 * Rows that say where they belong go there. Of the others about `1 − split` are held out, at least one and never all:
 *
 * 1. Rows with the same context or `input`, and rows that ask the same question, are a group and stay together.
 * 2. Groups are drawn by the seed so that the rows of those held out come as near to what is asked as whole groups can.
 * 3. Where that is less than half or more than twice what is asked, the groups that are larger than what is asked are parted:
 *    an `input` that nearly all rows share is a task more than a context. Rows that ask the same still stay together, and
 *    only where these are too many as well, as with empty prompts, no more than equal rows do.
 */
export function splitRows(rows: readonly Row[], split: number, seed: number): RowSplit {
  const free = rows.filter((row) => row.split === undefined)
  const wanted = split === 1 ? 0 : Math.min(Math.max(1, free.length - Math.round(free.length * split)), free.length - 1)
  const heldOut = new Set(rows.filter((row) => row.split === 'test'))
  let parted = 0
  if (wanted > 0) {
    const whole = groupsOf(free)
    let groups = whole
    let drawn = draw(groups, wanted, free.length, seed)
    for (const keyOf of [questionKey, rowKey]) {
      if (drawn.length >= wanted / 2 && drawn.length <= wanted * 2) break
      groups = groups.flatMap((group) => (group.length > wanted ? byKey(group, keyOf) : [group]))
      drawn = draw(groups, wanted, free.length, seed)
    }
    const chosen = new Set(drawn)
    for (const group of groups === whole ? [] : whole) {
      const out = group.filter((row) => chosen.has(row)).length
      if (out > 0 && out < group.length) parted += group.length
    }
    for (const row of drawn) heldOut.add(row)
  }
  return { train: rows.filter((row) => !heldOut.has(row)), heldOut: rows.filter((row) => heldOut.has(row)), parted }
}

/** What there is to say of a split: contexts that were parted, and shares that whole contexts cannot give. */
export function splitNotes({ train, heldOut, parted }: RowSplit, split: number): string[] {
  if (split === 1) return []
  const all = train.length + heldOut.length
  const asked = all * (1 - split)
  if (heldOut.length === 0)
    return [`nothing is held out: ${all === 1 ? 'there is one row' : 'the rows are marked as training rows'}`]
  if (parted > 0)
    return [
      `${parted} of ${all} rows share contexts too large to be held out whole: they are parted by question, ` +
        `so the held-out loss is partly on contexts that are trained on`,
    ]
  const isFixed = [...train, ...heldOut].some((row) => row.split !== undefined)
  if (isFixed || Math.abs(heldOut.length - asked) <= Math.max(1, asked / 4)) return []
  return [
    `${heldOut.length} of ${all} rows are held out, where ${Math.round(asked)} are asked for: rows that share a context stay together`,
  ]
}

/** Rows of groups drawn by the seed: as near to `wanted` of them as whole groups come, and never all. */
function draw(groups: readonly Row[][], wanted: number, all: number, seed: number): Row[] {
  const order = shuffle(groups, deriveSeed(seed, 'split')).reverse()
  const left = chooseSizes(
    order.map((group) => group.length),
    wanted,
    all - 1,
  )
  return order
    .filter(({ length }) => {
      const count = left.get(length) ?? 0
      if (count > 0) left.set(length, count - 1)
      return count > 0
    })
    .flat()
}

function byKey(rows: readonly Row[], keyOf: (row: Row) => string): Row[][] {
  const groups = new Map<number, Row[]>()
  for (const row of rows) {
    const key = textHash(keyOf(row))
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  return [...groups.values()]
}

/** Rows that must not be parted: those that share a context or a question, directly or by way of others. */
function groupsOf(rows: readonly Row[]): Row[][] {
  const parent = Int32Array.from(rows.keys())
  const rootOf = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!
    return i
  }
  // Hashes: the keys of a large file would be the file once more.
  const first = new Map<number, number>()
  rows.forEach((row, i) => {
    const context = contextKey(row)
    for (const text of [`q${questionKey(row)}`, ...(context === undefined ? [] : [`c${context}`])]) {
      const key = textHash(text)
      const earlier = first.get(key)
      if (earlier === undefined) first.set(key, i)
      else parent[Math.max(rootOf(i), rootOf(earlier))] = Math.min(rootOf(i), rootOf(earlier))
    }
  })
  const groups = new Map<number, Row[]>()
  rows.forEach((row, i) => {
    const root = rootOf(i)
    const group = groups.get(root)
    if (group) group.push(row)
    else groups.set(root, [row])
  })
  return [...groups.values()]
}
