// The kinds of values that settings have.
import { Expected, type Control, type SettingType } from './setting'

/** No zeros in front: 010 is 8 to some readers of YAML, and 10 to others. */
const decimal = /^[+-]?((?:0|[1-9]\d*)(?:\.\d*)?|\.\d+)(e[+-]?\d+)?$/i

/** `a, b or c` */
export const oneOf = (values: readonly string[]): string =>
  values.length === 1 ? values[0]! : `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`

/** A type whose text is read into `read`'s result, which is then held to `problem`. */
function typeOf<T, P extends T = T>(parts: {
  readonly placeholder: string
  readonly control: Control
  /** Undefined for text that is no such value at all. */
  readonly read: (text: string) => P | undefined
  readonly problem: (value: unknown) => string | undefined
  readonly show: (value: T) => string
  readonly join?: (first: P, second: P) => P
}): SettingType<T, P> {
  const { read, ...rest } = parts
  return {
    ...rest,
    parse(text) {
      const value = read(text)
      const problem = rest.problem(value)
      if (problem !== undefined) throw new Expected(problem)
      return value!
    },
  }
}

const readNumber = (text: string): number | undefined => (decimal.test(text) ? Number(text) : undefined)

const numeric = (
  kind: 'integer' | 'number',
  placeholder: string,
  problem: (value: unknown) => string | undefined,
): SettingType<number> => typeOf({ placeholder, control: { kind }, read: readNumber, problem, show: String })

/** An integer from `min` to `max`; without `max`, any that a float64 holds exactly. */
export const integer = (min: number, max = Number.MAX_SAFE_INTEGER): SettingType<number> =>
  numeric('integer', 'N', (value) =>
    !Number.isInteger(value) || (value as number) < min
      ? `an integer ≥ ${min}`
      : (value as number) > max
        ? `an integer from ${min} to ${max}`
        : undefined,
  )

/** A finite number for which `fits` holds; `range` says so in words, such as `> 0`. */
export const number = (range: string, fits: (value: number) => boolean): SettingType<number> =>
  numeric('number', 'X', (value) =>
    Number.isFinite(value) && fits(value as number) ? undefined : range === '' ? 'a number' : `a number ${range}`,
  )

/**
 * One of the keys of `options`, whose values are how a page calls them.
 * @param earlier names that values had in earlier versions, which work as well
 */
export function choice<V extends string>(
  options: Readonly<Record<V, string>>,
  earlier: Readonly<Record<string, V>> = {},
): SettingType<V> {
  const values = Object.keys(options) as V[]
  const named = (value: unknown) =>
    typeof value === 'string' && Object.hasOwn(earlier, value) ? earlier[value]! : (value as V)
  return {
    ...typeOf<V>({
      placeholder: values.join('|'),
      control: { kind: 'choice', options },
      read: named,
      problem: (value) => (values.includes(named(value)) ? undefined : oneOf(values)),
      show: String,
    }),
    normal: named,
  }
}

/** As YAML's readers have them, those of version 1.1 too. */
const truths: Readonly<Record<string, boolean>> = {
  true: true,
  yes: true,
  on: true,
  false: false,
  no: false,
  off: false,
}

/** {@link choice} with `on` and `off` among the options, for which `true` and `false` may be written. */
export function switchOr<V extends 'on' | 'off' | (string & {})>(
  options: Readonly<Record<V, string>>,
): SettingType<V | boolean, V> {
  const base = choice(options)
  const named = (value: unknown) => {
    const truth = typeof value === 'string' ? truths[value.toLowerCase()] : value
    return typeof truth === 'boolean' ? (truth ? 'on' : 'off') : value
  }
  return {
    ...base,
    parse: (text) => base.parse(named(text) as string),
    problem: (value) => base.problem(named(value)),
    show: (value) => named(value) as string,
    normal: (value) => named(value) as V,
  }
}

/** True or false. */
export const toggle: SettingType<boolean> = typeOf({
  placeholder: '',
  control: { kind: 'toggle' },
  read: (text) => truths[text.toLowerCase()],
  problem: (value) => (typeof value === 'boolean' ? undefined : 'true or false'),
  show: String,
})

/** Any text but the empty one; `placeholder` names it. */
export const text = (placeholder: string): SettingType<string> =>
  typeOf({
    placeholder,
    control: { kind: 'text' },
    read: String,
    problem: (value) => (typeof value === 'string' && value !== '' ? undefined : placeholder),
    show: String,
  })

/** Text that `pattern` matches; `expected` says so in words. */
export const matching = (placeholder: string, pattern: RegExp, expected: string): SettingType<string> =>
  typeOf({
    placeholder,
    control: { kind: 'text' },
    read: String,
    problem: (value) => (typeof value === 'string' && pattern.test(value) ? undefined : expected),
    show: String,
  })

/** A file or a folder. */
export const path = (of: 'file' | 'folder'): SettingType<string> => ({
  ...text(of === 'file' ? 'FILE' : 'DIR'),
  control: { kind: 'path', of },
})

/**
 * Some of the keys of `options`, written with commas between; `options` and `earlier` as {@link choice} has them.
 */
export function choices<V extends string>(
  options: Readonly<Record<V, string>>,
  earlier: Readonly<Record<string, V>> = {},
): SettingType<readonly V[]> {
  const one = choice(options, earlier)
  const named = (value: readonly unknown[]) => [...new Set(value.map((name) => one.normal!(name as V)))]
  return {
    ...typeOf<readonly V[]>({
      placeholder: 'NAMES',
      control: { kind: 'names' },
      read: (list) => named(splitNames(list).filter(Boolean)),
      problem: (value) =>
        Array.isArray(value) && value.every((name) => one.problem(name) === undefined)
          ? undefined
          : `some of ${Object.keys(options).join(', ')}`,
      show: (value) => value.join(','),
    }),
    normal: named,
  }
}

const splitNames = (list: string): string[] => list.trim().split(/\s*,\s*|\s+/)

/** Names, written with commas between; in code one text too, which is a regular expression. */
export const namesOrPattern: SettingType<readonly string[] | string, string[]> = typeOf<
  readonly string[] | string,
  string[]
>({
  placeholder: 'NAMES',
  control: { kind: 'names' },
  read: splitNames,
  problem: (value) =>
    typeof value === 'string' ||
    (Array.isArray(value) && value.every((part) => typeof part === 'string' && part !== ''))
      ? undefined
      : 'names separated by commas',
  show: (value) => [value].flat().join(','),
})

/**
 * Modules of a model: their names or the last parts of them, or `all-linear` (LLaMA-Factory's `all`) for every one; in code
 * also a regular expression for the whole name.
 */
export const modules: SettingType<readonly string[] | string, readonly string[] | string> = {
  ...typeOf<readonly string[] | string, readonly string[] | string>({
    placeholder: 'NAMES',
    control: { kind: 'names' },
    show: namesOrPattern.show,
    read: (written) => allOr(splitNames(written)),
    problem(value) {
      const wrong = namesOrPattern.problem(value)
      if (wrong !== undefined || value === '') return wrong ?? 'names separated by commas'
      return typeof value === 'string' || (value as string[]).every((part) => /^[\w.*-]+$/.test(part))
        ? undefined
        : 'names of modules separated by commas'
    },
  }),
  normal: (value) => (typeof value === 'string' ? value : allOr(value)),
}

/** `all-linear` where it is all that a list says. */
function allOr(list: readonly string[]): readonly string[] | string {
  const [first = ''] = list
  return list.length === 1 && ['all', 'all-linear'].includes(first.toLowerCase()) ? 'all-linear' : list
}

/** Integers from `min`, written with commas between; in code one alone too. */
export const integers = (min: number): SettingType<readonly number[] | number, number[]> =>
  typeOf<readonly number[] | number, number[]>({
    placeholder: 'N,…',
    control: { kind: 'names' },
    read: (list) => list.split(',').map((part) => readNumber(part.trim()) ?? NaN),
    problem: (value) =>
      [value].flat().every((n) => Number.isSafeInteger(n) && (n as number) >= min)
        ? undefined
        : `integers ≥ ${min} separated by commas`,
    show: (value) => [value].flat().join(','),
  })

/** Ids of tokens, of the embedding or by the module whose rows they name. */
export type TokenIds<M extends string> = readonly number[] | number | Readonly<Partial<Record<M, readonly number[]>>>

/**
 * Ids of tokens with commas between, in code one alone too: of the embedding; or of `modules`, each written `MODULE=N,…`.
 */
export function tokenIds<M extends string>(modules: readonly M[]): SettingType<TokenIds<M>> {
  const ids = integers(0)
  const expected = `ids of tokens separated by commas, or such ids by ${modules.join(' and ')}`
  const isList = (value: TokenIds<M>): value is readonly number[] | number =>
    typeof value === 'number' || Array.isArray(value)
  return typeOf<TokenIds<M>>({
    placeholder: 'N,…',
    control: { kind: 'names' },
    read: (written) => {
      if (!written.includes('=')) return ids.parse(written)
      const lists = written.trim().split(/\s+(?=\w+=)/)
      return Object.fromEntries(
        lists.map((list) => {
          const [module = '', tokens = ''] = list.split('=')
          return [module.trim(), ids.parse(tokens)]
        }),
      ) as Partial<Record<M, number[]>>
    },
    problem(value) {
      const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
      const lists = isMap ? Object.values(value) : [value]
      const known = !isMap || Object.keys(value).every((name) => (modules as readonly string[]).includes(name))
      return known && lists.every((list) => ids.problem(list) === undefined) ? undefined : expected
    },
    show: (value) =>
      isList(value)
        ? ids.show(value)
        : Object.entries(value)
            .map(([module, list]) => `${module}=${ids.show(list as readonly number[])}`)
            .join(' '),
    join: (first, second) =>
      isList(first) || isList(second) ? (second as TokenIds<M>) : ({ ...first, ...second } as TokenIds<M>),
  })
}

/**
 * Numbers by a pattern of module names, as PEFT's rank_pattern: a regular expression that the name, or its end after a dot,
 * matches; of several the first. E.g. `{ down_proj: 8, '^model.layers.0.self_attn.q_proj': 4 }`.
 */
export type Patterns = Readonly<Record<string, number>>

/** Numbers of a type by patterns of names, each written `PATTERN=N`. */
export const patterns = (values: SettingType<number>): SettingType<Patterns> =>
  typeOf<Patterns>({
    placeholder: 'PATTERN=N',
    control: { kind: 'text' },
    read: (written) => {
      const [, pattern = '', digits = ''] = /^(.+)=([^=]+)$/.exec(written) ?? []
      return pattern === '' ? undefined : { [pattern]: readNumber(digits) ?? NaN }
    },
    problem: (value) => {
      const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
      const wrong = Object.values(isMap ? value : { '': undefined })
        .map(values.problem)
        .find((found) => found)
      return wrong === undefined ? undefined : `PATTERN=N with N ${wrong}`
    },
    show: (value) =>
      Object.entries(value)
        .map(([pattern, n]) => `${pattern}=${n}`)
        .join(', '),
    join: (first, second) => ({ ...first, ...second }),
  })

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

/** Bytes; undefined for text that is no size. */
function readSize(written: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d+\.?\d*|\.\d+) ?([a-z]*)$/i.exec(written) ?? []
  const bytes = Math.floor(Number(digits) * (sizeUnits[unit.toLowerCase()] ?? NaN))
  return digits !== '' && bytes > 0 ? bytes : undefined
}

/** Bytes, or text with a unit: `12GB`, `8 GiB`, `500MB`. */
export const size: SettingType<number | string, number> = typeOf<number | string, number>({
  placeholder: 'SIZE',
  control: { kind: 'text' },
  read: readSize,
  problem: (value) =>
    Number.isSafeInteger(typeof value === 'string' ? readSize(value) : value) && Number(value) !== 0
      ? undefined
      : 'a size such as 12GB, 8GiB or 500MB',
  show: String,
})
