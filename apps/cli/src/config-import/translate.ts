// Config files of other tools as ours: recognised by their keys, each key by the table of its tool.
import { kebab, nameOf, settings, unreadOf, type Setting } from '@jora/lora/settings'
import { UsageError } from '../errors'
import type { Written } from '../flags/config-text'
import { nearest } from '../flags/suggest'
import { trainFlags } from '../commands/train-settings'
import { axolotl } from './axolotl'
import { llamaFactory } from './llama-factory'
import type { FlagKey, Made, Tool } from './meaning'
import { mlxLm } from './mlx-lm'
import { trl } from './trl'

/** Every tool whose configs are read. */
export const tools: readonly Tool[] = [trl, llamaFactory, axolotl, mlxLm]

/** A key of the file, as it was written, and what is said of it. */
export interface Remark {
  readonly key: string
  readonly source: string
  readonly why: string
}

export interface Translated {
  readonly tool: Tool
  /** Our flags as text; those the file does not say are the tool's own defaults. */
  readonly values: Made
  /** Keys of the file that became flags. */
  readonly said: ReadonlySet<FlagKey>
  /** What changes nothing that is learned. */
  readonly notes: readonly Remark[]
  /** What cannot be had here. */
  readonly lacks: readonly Remark[]
}

const plainName = (name: string): string => name.replace(/[-_]/g, '').toLowerCase()
const ours = new Map(
  Object.entries(trainFlags).flatMap(([key, { aliases = [] }]) =>
    [key, `no-${kebab(key)}`, ...aliases].map((name) => [plainName(name), key as FlagKey] as const),
  ),
)

/** The tool that a file is of: the one whose own keys it has most of; undefined for ours and for what none knows. */
export function toolOf(file: ReadonlyMap<string, Written>): Tool | undefined {
  const names = [...file.keys()]
  if (names.every((name) => ours.has(plainName(name)))) return undefined
  const [best] = tools
    .map((tool) => ({ tool, marks: names.filter((name) => tool.marks.includes(name)).length }))
    .sort((a, b) => b.marks - a.marks)
  return best && best.marks > 0 ? best.tool : undefined
}

/** Text of a value; names of a list with commas between. Undefined for what is neither. */
function flatText({ value }: Written): string | undefined {
  if (typeof value === 'string') return value
  if (!Array.isArray(value)) return undefined
  const parts = (value as readonly Written[]).map((part) => part.value)
  return parts.every((part) => typeof part === 'string') ? parts.join(',') : undefined
}

/** @throws UsageError naming every key that the tool does not have */
export function translate(file: ReadonlyMap<string, Written>, tool: Tool, path: string): Translated {
  const [made, notes, lacks, unknown]: [Made, Remark[], Remark[], string[]] = [{}, [], [], []]
  for (const [key, written] of file) {
    if (written.value === null) continue
    const meaning = tool.keys[key]
    const text = flatText(written)
    const tell = (list: Remark[], why: string) => void list.push({ key, source: written.source, why })
    if (meaning === undefined) {
      const own = ours.get(plainName(key))
      if (own !== undefined && text !== undefined) made[own] = text
      else unknown.push(key)
    } else if ('note' in meaning) tell(notes, meaning.note)
    else if ('lack' in meaning) {
      if (text === undefined || !(meaning.fine ?? []).includes(text.toLowerCase())) tell(lacks, meaning.lack)
    } else if ('make' in meaning) {
      const result = meaning.make(written)
      if (Array.isArray(result)) tell(lacks, (result as readonly string[])[0]!)
      else {
        Object.assign(made, result)
        if (meaning.otherwise !== undefined && Object.keys(result).length === 0) tell(notes, meaning.otherwise)
      }
    } else if (text === undefined) tell(lacks, 'one value was expected')
    else {
      const value = meaning.value ? meaning.value(text) : text
      if (value !== undefined) made[meaning.to] = value
    }
  }
  if (unknown.length > 0) {
    const told = unknown.map((key) => {
      const near = nearest(key, Object.keys(tool.keys))
      return `"${key}"${near === undefined ? '' : ` (did you mean "${near}"?)`}`
    })
    throw new UsageError(
      `${path}: a config of ${tool.title} with unknown key${unknown.length > 1 ? 's' : ''} ${told.join(', ')}`,
    )
  }
  const usual = tool.defaults(made)
  const values = { ...usual, ...made }
  for (const { name, by, chosen } of unreadIn(values)) {
    // Written with its default it means nothing; with another value it is refused as a flag of ours would be.
    if (made[name] !== undefined && !sameValue(name, made[name], usual[name])) continue
    delete values[name]
    if (made[name] !== undefined)
      notes.push({ key: name, source: made[name], why: `as by default, and not read beside ${by} ${chosen}` })
    delete made[name]
  }
  const said = new Set(Object.keys(made) as FlagKey[])
  return { tool, values, said, notes, lacks }
}

const table: Readonly<Record<string, Setting>> = settings

/** Whether two texts mean the same value of a setting. */
function sameValue(name: FlagKey, a: string, b: string | undefined): boolean {
  const [, setting] = Object.entries(table).find(([key, each]) => nameOf(key, each) === name)!
  const parsed = (text: string) => JSON.stringify(setting.type.parse(text))
  return b !== undefined && (a === b || parsed(a) === parsed(b))
}

/** Flags that nothing reads beside the others. */
function unreadIn(values: Made): { readonly name: FlagKey; readonly by: string; readonly chosen: string }[] {
  const parsed = Object.entries(table).flatMap(([key, setting]) => {
    const text = values[nameOf(key, setting) as FlagKey]
    // What cannot be read is told where flags are.
    const value = text === undefined || setting.type.control.kind !== 'choice' ? text : setting.type.parse(text)
    return value === undefined ? [] : [[key, value] as const]
  })
  return unreadOf(table, Object.fromEntries(parsed)).map(({ key, by, chosen }) => ({
    name: nameOf(key, table[key]!) as FlagKey,
    by: kebab(nameOf(by, table[by]!)),
    chosen,
  }))
}

const asWritten = (value: string): Written => ({ value, plain: false, source: value })

/** A translated file as one of ours. */
export const asOurs = (values: Made): ReadonlyMap<string, Written> =>
  new Map(Object.entries(values).map(([key, value]) => [kebab(key), asWritten(value)]))

/**
 * The file as one of ours, whoever's it is.
 * @param given flags of the command line, which win: what the file has in their place is not needed
 * @param onNote told what is left out
 * @throws UsageError naming everything at once that cannot be had here
 */
export function oursOf(
  file: ReadonlyMap<string, Written>,
  path: string,
  given: ReadonlySet<string>,
  onNote: (note: string) => void,
): ReadonlyMap<string, Written> {
  const tool = toolOf(file)
  if (tool === undefined) return file
  const { values, notes, lacks } = translate(file, tool, path)
  const needed = lacks.filter(({ key }) => !given.has(ours.get(plainName(key)) ?? ''))
  if (needed.length > 0)
    throw new UsageError(
      `${path} is a config of ${tool.title} with what JORA does not have: ${needed.map(({ key, source, why }) => `${key}: ${source.replace(/\s+/g, ' ')} (${why})`).join('; ')}. \`jora config import\` prints the rest`,
    )
  const left = notes.length === 0 ? '' : `; left out: ${notes.map(({ key }) => key).join(', ')}`
  onNote(`${path} is a config of ${tool.title}, whose defaults count where it says nothing${left}`)
  return asOurs(values)
}
