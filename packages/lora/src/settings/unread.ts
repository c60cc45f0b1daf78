// Settings that nothing would read beside the others: told before anything is loaded, by what each declares of itself.
import { ConfigError } from './config-error'
import type { Setting, Settings } from './setting'

/** A setting that is not read, and why. */
export interface Unread {
  readonly key: string
  /** The setting that decides it. */
  readonly by: string
  /** What that one is, as text. */
  readonly chosen: string
  /** What it would have to be; undefined: anything but off. */
  readonly wanted: readonly string[] | undefined
}

const isOff = (value: unknown): boolean =>
  value === undefined || value === false || (Array.isArray(value) && value.length === 0)

/** What a setting is when none is given: its default, or the first value where `absent` names one. */
const valueOf = ({ fallback, absent }: Setting, value: unknown): unknown => value ?? fallback ?? absent

/** Settings of `keys` that are not read beside `values`, which are by keys of `table`. */
export function unreadOf(
  table: Settings,
  values: Readonly<Record<string, unknown>>,
  keys: Iterable<string> = Object.keys(values),
): Unread[] {
  return [...keys].flatMap((key): Unread[] => {
    for (const [by, wanted] of Object.entries(table[key]?.readWith ?? {})) {
      const other = table[by]!
      const value = values[by]
      if (wanted === 'set') {
        if (isOff(value)) return [{ key, by, chosen: 'not given', wanted: undefined }]
        continue
      }
      const chosen = [valueOf(other, value)].flat().map(String)
      if (!chosen.some((each) => wanted.includes(each)))
        return [{ key, by, chosen: chosen.join(',') || 'none', wanted }]
    }
    return []
  })
}

/** `a`, `a or b`, `a, b or c`. */
const either = (words: readonly string[]): string =>
  words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`

const shown = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined'))

/**
 * Refuses settings that were given and are not read. What has its default is none: configs are written with all of them.
 * @param usual values that count as not given, beside the defaults: a recipe's
 * @throws ConfigError naming the setting, what came and what was expected
 */
export function checkRead(
  table: Settings,
  values: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
  usual: Readonly<Record<string, unknown>> = {},
): void {
  const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b)
  const chosen = Object.keys(given).filter(
    (key) => given[key] !== undefined && !same(values[key], table[key]?.fallback) && !same(values[key], usual[key]),
  )
  const [first] = unreadOf(table, values, chosen)
  if (!first) return
  const { key, by, chosen: other, wanted } = first
  throw new ConfigError(
    wanted === undefined
      ? `${key} is ${shown(values[key])} without ${by}, expected ${by} beside it: nothing else reads it`
      : `${key} is ${shown(values[key])} beside ${by} ${other}, expected ${by} ${either(wanted)}: nothing else reads it`,
    key,
  )
}
