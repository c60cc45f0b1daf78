// Which rows are trained and which are held out.

import { textHash } from '../hash'
import { deriveSeed, shuffle } from '../random'
import { chooseSizes } from './choose-sizes'
import type { Row } from './row-formats'

/** What rows share that must not be seen in training and asked about afterwards; undefined where there is nothing. */
function contextKey(row: Row): string | undefined {
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

/** What a split goes by: of each row, by its number, its side where that is fixed, and numbers that are equal for equal texts. */
export interface SplitKeys {
  /** How many rows there are. */
  readonly length: number
  sideOf(row: number): 'train' | 'test' | undefined
  /** Of what must not be trained and asked about afterwards; see {@link contextKey}. */
  contextOf(row: number): number | undefined
  questionOf(row: number): number
  wholeOf(row: number): number
}

/** The numbers of a row; see {@link SplitKeys}. */
export function keysOfRow(row: Row): { context: number | undefined; question: number; whole: number } {
  const context = contextKey(row)
  return {
    context: context === undefined ? undefined : textHash(context),
    question: textHash(questionKey(row)),
    whole: textHash(rowKey(row)),
  }
}

/** The keys of rows in memory, made when they are asked for; those of contexts, which are asked for again and again, once. */
export function splitKeysOf(rows: readonly Row[]): SplitKeys {
  const contexts = new Map<number, number | undefined>()
  const contextOf = (row: number): number | undefined => {
    const context = contextKey(rows[row]!)
    return context === undefined ? undefined : textHash(context)
  }
  return {
    length: rows.length,
    sideOf: (row) => rows[row]!.split,
    contextOf: (row) => {
      if (!contexts.has(row)) contexts.set(row, contextOf(row))
      return contexts.get(row)
    },
    questionOf: (row) => textHash(questionKey(rows[row]!)),
    wholeOf: (row) => textHash(rowKey(rows[row]!)),
  }
}

/** Numbers of rows by side, each in the order of the rows. */
export interface RowSides {
  train: Int32Array
  heldOut: Int32Array
  /** Rows of contexts that were parted between both, for they were too large to stay whole; 0 where none was. */
  parted: number
}

/** Rows by side. */
export interface RowSplit {
  train: Row[]
  heldOut: Row[]
  /** As {@link RowSides.parted}. */
  parted: number
}

/** Rows by side; see {@link splitSides}. */
export function splitRows(rows: readonly Row[], split: number, seed: number): RowSplit {
  const { train, heldOut, parted } = splitSides(splitKeysOf(rows), split, seed)
  const of = (side: Int32Array) => Array.from(side, (row) => rows[row]!)
  return { train: of(train), heldOut: of(heldOut), parted }
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
export function splitSides(keys: SplitKeys, split: number, seed: number): RowSides {
  const all = Int32Array.from({ length: keys.length }, (_, row) => row)
  const free = all.filter((row) => keys.sideOf(row) === undefined)
  const wanted = split === 1 ? 0 : Math.min(Math.max(1, free.length - Math.round(free.length * split)), free.length - 1)
  const isHeldOut = Uint8Array.from(all, (row) => (keys.sideOf(row) === 'test' ? 1 : 0))
  let parted = 0
  if (wanted > 0) {
    const whole = groupsOf(free, keys)
    let groups: readonly RowGroup[] = whole
    let drawn = draw(groups, wanted, free.length, seed)
    for (const keyOf of [(row: number) => keys.questionOf(row), (row: number) => keys.wholeOf(row)]) {
      if (drawn.length >= wanted / 2 && drawn.length <= wanted * 2) break
      groups = groups.flatMap((group) => (sizeOf(group) > wanted ? byKey([group].flat(), keyOf) : [group]))
      drawn = draw(groups, wanted, free.length, seed)
    }
    for (const row of drawn) isHeldOut[row] = 1
    for (const group of groups === whole ? [] : whole) {
      const out = [group].flat().filter((row) => isHeldOut[row] === 1).length
      if (out > 0 && out < sizeOf(group)) parted += sizeOf(group)
    }
  }
  return {
    train: all.filter((row) => isHeldOut[row] === 0),
    heldOut: all.filter((row) => isHeldOut[row] === 1),
    parted,
  }
}

/** Rows that stay together; of one row, its number alone, as most rows are. */
type RowGroup = number | readonly number[]

const sizeOf = (group: RowGroup): number => (typeof group === 'number' ? 1 : group.length)

/**
 * What there is to say of a split: contexts that were parted, and shares that whole contexts cannot give.
 * @param isFixed some row says where it belongs
 */
export function splitNotes({ train, heldOut, parted }: RowSides | RowSplit, split: number, isFixed = false): string[] {
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
  if (isFixed || Math.abs(heldOut.length - asked) <= Math.max(1, asked / 4)) return []
  return [
    `${heldOut.length} of ${all} rows are held out, where ${Math.round(asked)} are asked for: rows that share a context stay together`,
  ]
}

/** Rows of groups drawn by the seed: as near to `wanted` of them as whole groups come, and never all. */
function draw(groups: readonly RowGroup[], wanted: number, all: number, seed: number): number[] {
  const order = shuffle(groups, deriveSeed(seed, 'split')).reverse()
  const left = chooseSizes(order.map(sizeOf), wanted, all - 1)
  return order
    .filter((group) => {
      const count = left.get(sizeOf(group)) ?? 0
      if (count > 0) left.set(sizeOf(group), count - 1)
      return count > 0
    })
    .flat()
}

function byKey(rows: readonly number[], keyOf: (row: number) => number): number[][] {
  const groups = new Map<number, number[]>()
  for (const row of rows) {
    const key = keyOf(row)
    const group = groups.get(key)
    if (group) group.push(row)
    else groups.set(key, [row])
  }
  return [...groups.values()]
}

/** Rows that must not be parted: those that share a context or a question, directly or by way of others. */
function groupsOf(rows: Int32Array, keys: SplitKeys): RowGroup[] {
  const parent = Int32Array.from(rows.keys())
  const rootOf = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!
    return i
  }
  const join = (keyOf: (row: number) => number | undefined): void => {
    const first = new Map<number, number>()
    rows.forEach((row, i) => {
      const key = keyOf(row)
      if (key === undefined) return
      const earlier = first.get(key)
      if (earlier === undefined) first.set(key, i)
      else parent[Math.max(rootOf(i), rootOf(earlier))] = Math.min(rootOf(i), rootOf(earlier))
    })
  }
  join((row) => keys.questionOf(row))
  join((row) => keys.contextOf(row))
  // A root is the first of its rows: groups come in the order of the rows.
  const groups: RowGroup[] = []
  const placeOf = new Int32Array(rows.length)
  rows.forEach((row, i) => {
    const root = rootOf(i)
    if (root === i) {
      placeOf[i] = groups.push(row) - 1
      return
    }
    const place = placeOf[root]!
    const group = groups[place]!
    if (typeof group === 'number') groups[place] = [group, row]
    else (group as number[]).push(row)
  })
  return groups
}
