// Flags as typed tables: one entry is the option, its key in a config file, its check and its line of help.
import { Expected, kebab, types, type SettingType } from '@jora/lora/settings'
import { notAvailable, UsageError } from '../errors'

export interface Flag<T> {
  readonly help: string
  /** What stands for the value in help; absent for a switch. */
  readonly placeholder?: string
  /** Other names, without dashes. */
  readonly aliases?: readonly string[]
  /** Heading it is under in help. */
  readonly group?: string
  /** The default as help tells it, where someone else fills it in. */
  readonly shown?: string
  /** The value when the flag is given without one. */
  readonly bare?: string
  /** Spelled `--no-…`; giving it means false. */
  readonly negated?: boolean
  /** The value of a flag that is given twice; without it the last one counts. */
  join?(first: T, second: T): T
  /** Its value is a list, which is written with commas between. */
  readonly list?: boolean
  readonly required?: boolean
  readonly fallback?: T
  /** @throws Expected | UsageError */
  readonly parse: (text: string) => T
}

export type Flags = Readonly<Record<string, Flag<unknown>>>

/** The values a table of flags gives. */
export type ValuesOf<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never }

type Extra = Partial<Pick<Flag<unknown>, 'placeholder' | 'aliases' | 'shown' | 'bare'>>

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

/** A flag whose values are those that settings of a type have. */
export function flagOfType<P>({ placeholder, parse, join, control }: SettingType<unknown, P>, help: string): Flag<P> {
  const list = control.kind === 'names'
  return { help, parse, ...(placeholder === '' ? {} : { placeholder }), ...(join && { join }), ...(list && { list }) }
}

type Optional<T> = Flag<T | undefined>

const ofType = <P>(type: SettingType<unknown, P>, help: string, extra: Extra = {}): Optional<P> =>
  ({ ...flagOfType(type, help), ...extra }) as Optional<P>

export const integer = (help: string, min: number, extra?: Extra): Optional<number> =>
  ofType(types.integer(min), help, extra)

/** A number for which `ok` holds; `range` says so in words, e.g. `> 0`. */
export const number = (help: string, range: string, ok: (value: number) => boolean, extra?: Extra): Optional<number> =>
  ofType(types.number(range, ok), help, extra)

export const text = (help: string, placeholder: string, extra?: Extra): Optional<string> =>
  ofType(types.text(placeholder), help, extra)

/** Texts, one each time the flag is given. */
export function texts(help: string, placeholder: string): Optional<string[]> {
  const { parse } = types.text(placeholder)
  return {
    help,
    placeholder,
    join: (first = [], second = []) => [...first, ...second],
    parse: (value) => [parse(value)],
  }
}

/** Integers written with commas. */
export const integers = (help: string, min: number, extra?: Extra): Optional<number[]> =>
  ofType(types.integers(min), help, extra)

/** One of `values`; those of `later` are known but refused as not available yet. */
export function choice<const V extends string>(
  help: string,
  values: readonly V[],
  extra: Extra & { later?: readonly string[] } = {},
): Optional<V> {
  const { later = [], ...rest } = extra
  const type = types.choice<V>(
    Object.fromEntries(values.map((value) => [value, value])) as unknown as Record<V, string>,
  )
  const parse = (value: string): V => {
    if (later.includes(value)) throw new Later(types.oneOf(values))
    return type.parse(value)
  }
  return { help, placeholder: type.placeholder, ...rest, parse }
}

/** On when given. */
export const toggle = (help: string): Flag<boolean> => ({ ...flagOfType(types.toggle, help), fallback: false })

/** On unless `--no-…` is given. */
export const onUnless = (help: string): Flag<boolean> => ({
  ...flagOfType(types.toggle, help),
  negated: true,
  fallback: true,
})

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

/** Puts a table of flags under one heading of help. */
export const grouped = <F extends Flags>(group: string, flags: F): F =>
  Object.fromEntries(Object.entries(flags).map(([key, flag]) => [key, { ...flag, group }])) as unknown as F

/** As it is typed: `--lora-r`, `--no-shuffle`. */
export const flagName = (key: string, flag: Flag<unknown>): string => `--${flag.negated ? 'no-' : ''}${kebab(key)}`
