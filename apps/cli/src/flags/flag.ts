// Flags as typed tables: one entry is the option, its key in a config file, its check and its line of help.
import { notAvailable, UsageError } from '../errors'

export interface Flag<T> {
  readonly help: string
  /** What stands for the value in help; absent for a switch. */
  readonly placeholder?: string
  /** Other names, without dashes. */
  readonly aliases?: readonly string[]
  /** Heading it stands under in help. */
  readonly group?: string
  /** The default as help tells it, where someone else fills it in. */
  readonly shown?: string
  /** The value when the flag is given without one. */
  readonly bare?: string
  /** Spelled `--no-…`; giving it means false. */
  readonly negated?: boolean
  /** May be given more than once; values are lists and are joined. */
  readonly repeatable?: boolean
  readonly required?: boolean
  /** Known, but not in help: there is nothing to choose yet. */
  readonly hidden?: boolean
  readonly fallback?: T
  /** @throws Expected | UsageError */
  readonly parse: (text: string) => T
}

export type Flags = Readonly<Record<string, Flag<unknown>>>

/** The values a table of flags gives. */
export type ValuesOf<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never }

type Extra = Partial<Pick<Flag<unknown>, 'placeholder' | 'aliases' | 'shown' | 'bare'>>

/** Thrown by a parser: what would have been right. */
class Expected extends Error {}

/** Thrown by a parser: right by the contract, but not built yet. */
class Later extends Error {}

/** Parses a flag's value; `name` is how the user wrote it. @throws UsageError saying flag, what came, what was expected */
export function parseValue<T>(flag: Flag<T>, name: string, text: string): T {
  try {
    return flag.parse(text)
  } catch (error) {
    if (error instanceof Later) throw new UsageError(`${name} ${text} ${notAvailable}; expected ${error.message}`)
    if (error instanceof Expected)
      throw new UsageError(`${name}: got ${JSON.stringify(text)}, expected ${error.message}`)
    throw error
  }
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

function numberFlag(
  help: string,
  kind: string,
  ok: (value: number) => boolean,
  extra: Extra,
): Flag<number | undefined> {
  const parse = (text: string): number => {
    const value = decimal.test(text) ? Number(text) : NaN
    if (!Number.isFinite(value) || !ok(value)) throw new Expected(kind)
    return value
  }
  return { help, placeholder: 'N', ...extra, parse }
}

export const integer = (help: string, min: number, extra: Extra = {}): Flag<number | undefined> =>
  numberFlag(help, `an integer ≥ ${min}`, (value) => Number.isSafeInteger(value) && value >= min, extra)

/** A number for which `ok` holds; `range` says so in words, e.g. `> 0`. */
export const number = (
  help: string,
  range: string,
  ok: (value: number) => boolean,
  extra: Extra = {},
): Flag<number | undefined> =>
  numberFlag(help, range === '' ? 'a number' : `a number ${range}`, ok, { placeholder: 'X', ...extra })

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

/** Bytes, written with a unit: `12GB`, `8 GiB`, `500MB`. */
export function size(help: string, extra: Extra = {}): Flag<number | undefined> {
  const parse = (value: string): number => {
    const [, digits = '', unit = ''] = /^(\d+\.?\d*|\.\d+) ?([a-z]*)$/i.exec(value) ?? []
    const bytes = Math.floor(Number(digits) * (sizeUnits[unit.toLowerCase()] ?? NaN))
    if (!(digits !== '' && bytes > 0)) throw new Expected('a size such as 12GB, 8GiB or 500MB')
    return bytes
  }
  return { help, placeholder: 'SIZE', ...extra, parse }
}

export function text(help: string, placeholder: string, extra: Extra = {}): Flag<string | undefined> {
  const parse = (value: string): string => {
    if (value === '') throw new Expected(placeholder)
    return value
  }
  return { help, placeholder, ...extra, parse }
}

export function texts(help: string, placeholder: string): Flag<string[] | undefined> {
  return { help, placeholder, repeatable: true, parse: (value) => [text(help, placeholder).parse(value)!] }
}

/** A list written with commas. */
export function list(help: string, placeholder: string, extra: Extra = {}): Flag<string[] | undefined> {
  const parse = (value: string): string[] => {
    const parts = value.split(',').map((part) => part.trim())
    if (parts.includes('')) throw new Expected('names separated by commas')
    return parts
  }
  return { help, placeholder, ...extra, parse }
}

/** Numbers by patterns of names, each written `PATTERN=N`. */
export function patterns(
  help: string,
  kind: string,
  ok: (value: number) => boolean,
): Flag<[string, number][] | undefined> {
  const parse = (value: string): [string, number][] => {
    const [, pattern = '', digits = ''] = /^(.+)=([^=]+)$/.exec(value) ?? []
    const parsed = decimal.test(digits) ? Number(digits) : NaN
    if (pattern === '' || !Number.isFinite(parsed) || !ok(parsed)) throw new Expected(`PATTERN=N with N ${kind}`)
    return [[pattern, parsed]]
  }
  return { help, placeholder: 'PATTERN=N', repeatable: true, parse }
}

/** Integers written with commas. */
export function integers(help: string, min: number, extra: Extra = {}): Flag<number[] | undefined> {
  const parse = (value: string): number[] => {
    const numbers = value.split(',').map((part) => (part.trim() === '' ? NaN : Number(part)))
    if (!numbers.every((n) => Number.isSafeInteger(n) && n >= min))
      throw new Expected(`integers ≥ ${min} separated by commas`)
    return numbers
  }
  return { help, placeholder: 'N,…', ...extra, parse }
}

const oneOf = (values: readonly string[]): string =>
  values.length === 1 ? values[0]! : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`

/** One of `values`; those of `later` are known but refused as not available yet. */
export function choice<const V extends string>(
  help: string,
  values: readonly V[],
  extra: Extra & { later?: readonly string[] } = {},
): Flag<V | undefined> {
  const { later = [], ...rest } = extra
  const parse = (value: string): V => {
    const found = values.find((known) => known === value)
    if (found !== undefined) return found
    throw later.includes(value) ? new Later(oneOf(values)) : new Expected(oneOf(values))
  }
  return { help, placeholder: values.join('|'), ...rest, parse }
}

const truth = (value: string): boolean => {
  if (value === 'true' || value === 'false') return value === 'true'
  throw new Expected('true or false')
}

/** On when given. */
export const toggle = (help: string): Flag<boolean> => ({ help, fallback: false, parse: truth })

/** On unless `--no-…` is given. */
export const onUnless = (help: string): Flag<boolean> => ({ help, negated: true, fallback: true, parse: truth })

/** Any text that `check` passes; it may throw {@link expected}. */
export const checked = (
  help: string,
  placeholder: string,
  check: (value: string) => void,
  extra: Extra = {},
): Flag<string | undefined> => ({
  help,
  placeholder,
  ...extra,
  parse: (value) => {
    check(value)
    return value
  },
})

export const expected = (what: string): Error => new Expected(what)

export const required = <T>(flag: Flag<T | undefined>): Flag<T> => ({ ...flag, required: true }) as Flag<T>

export const withDefault = <T extends string | number | number[]>(flag: Flag<T | undefined>, value: T): Flag<T> =>
  ({ ...flag, shown: String(value), fallback: value }) as Flag<T>

export const hidden = <T>(flag: Flag<T>): Flag<T> => ({ ...flag, hidden: true })

/** Puts a table of flags under one heading of help. */
export const grouped = <F extends Flags>(group: string, flags: F): F =>
  Object.fromEntries(Object.entries(flags).map(([key, flag]) => [key, { ...flag, group }])) as unknown as F

/** `loraR` → `lora-r`. */
export const kebab = (key: string): string => key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** As it is typed: `--lora-r`, `--no-shuffle`. */
export const flagName = (key: string, flag: Flag<unknown>): string => `--${flag.negated ? 'no-' : ''}${kebab(key)}`
