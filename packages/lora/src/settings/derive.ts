// What is made of a table of settings: defaults, checks, names, the page's form, the docs. Flags are made by the command line
// and request schemas by the page's server, of the same entries.
import { ConfigError } from './config-error'
import { groups, type Control, type Group, type NameOf, type Setting, type Settings, type ValuesOf } from './setting'

/** `loraR` → `lora-r`. */
export const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)

/** A setting's name as a flag, in config files and in requests, in camel case. */
export const nameOf = (key: string, { name = key }: Pick<Setting, 'name'>): string => name

/** Whether the flag is spelled `--no-…`: a switch that is on by itself. */
export const isNegated = ({ type, fallback }: Setting): boolean => type.control.kind === 'toggle' && fallback === true

/** The flag as it is typed: `--lora-r`, `--no-shuffle`. */
export const flagOf = (key: string, setting: Setting): string =>
  `--${isNegated(setting) ? 'no-' : ''}${kebab(nameOf(key, setting))}`

/** The value of every setting when none is given. */
export const defaultsOf = <S extends Settings>(table: S): Omit<ValuesOf<S>, RequiredKeys<S>> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([key, { fallback, required }]) => (required ? [] : [[key, fallback]])),
  ) as Omit<ValuesOf<S>, RequiredKeys<S>>

/** Keys of settings that must be given. */
export type RequiredKeys<S extends Settings> = {
  [K in keyof S]: S[K] extends { readonly required: true } ? K : never
}[keyof S]

/** As an error shows it. */
const shown = (value: unknown): string =>
  typeof value === 'number' || typeof value === 'string' ? String(value) : (JSON.stringify(value) ?? 'undefined')

/**
 * Checks `values` against the types of `table`. Undefined is no value, which is right for settings that are not
 * required.
 * @param names what errors call the settings, where it is not their key
 * @throws ConfigError naming the setting, what came and what was expected
 */
export function checkSettings<S extends Settings>(
  table: S,
  values: Readonly<Record<string, unknown>>,
  names: Readonly<Record<string, string>> = {},
): void {
  for (const [key, { type, required }] of Object.entries(table)) {
    const called = names[key] ?? key
    const value = values[called]
    if (value === undefined && !required) continue
    const problem = type.problem(value)
    if (problem !== undefined) throw new ConfigError(`${called} is ${shown(value)}, expected ${problem}`, key)
  }
}

/**
 * Values by the settings' names, as files and requests have them, turned into values by their keys; undefined ones are
 * left out.
 */
export const fromNames = (
  table: Settings,
  values: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(table).flatMap(([key, setting]) => {
      const value = values[nameOf(key, setting)]
      return value === undefined ? [] : [[key, value]]
    }),
  )

/** Values by keys, turned into values by the settings' names: the way back from {@link fromNames}. */
export const toNames = (
  table: Settings,
  values: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [nameOf(key, table[key]!), value]))

/** The values that decide the course of training: those a checkpoint must have been made with. */
export const courseOf = (
  table: Settings,
  values: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(table).flatMap(([key, { course }]) => (course ? [[key, values[key]]] : [])))

/** A setting as a form asks for it. */
export interface Field {
  /** Its name in a request. */
  readonly name: string
  readonly label: string
  readonly about: string
  readonly group: Group
  readonly control: Control
  /** Shown in an empty control. */
  readonly placeholder: string | undefined
  /** Place among the few that come first. */
  readonly basic: number | undefined
  readonly type: Setting['type']
}

/** Names of the settings that the page has, in requests. */
export type PageName<S extends Settings> = {
  [K in keyof S]: S[K] extends { readonly page: false } ? never : NameOf<S, K>
}[keyof S]

/**
 * The form's fields by name, in the order of the table, without required settings, which other parts of the page ask
 * for.
 */
export const fieldsOf = <S extends Settings>(
  table: S,
): Readonly<Record<Exclude<PageName<S>, NameOf<S, RequiredKeys<S>>>, Field>> =>
  Object.fromEntries(
    Object.entries(table)
      .filter(([, { page, required }]) => page !== false && !required)
      .map(([key, setting]) => {
        const { type, label, about, group, basic, absent } = setting
        const name = nameOf(key, setting)
        return [name, { name, label, about, group, control: type.control, placeholder: absent, basic, type }]
      }),
  ) as unknown as Readonly<Record<Exclude<PageName<S>, NameOf<S, RequiredKeys<S>>>, Field>>

const cell = (text: string): string => text.replaceAll('|', '\\|')

/** A Markdown table for each heading: flag, values, default, what it does. */
export function docsOf(table: Settings): string {
  const headings = [...new Set(Object.values(groups).map(({ heading }) => heading))]
  return headings
    .map((heading) => {
      const rows = Object.entries(table)
        .filter(([, { group }]) => groups[group].heading === heading)
        .map(([key, setting]) => {
          const { type, fallback, absent, aliases = [], help, required, course, name } = setting
          const flags = [flagOf(key, setting), ...aliases.map((alias) => `--${alias}`)].map((flag) => `\`${flag}\``)
          const value = type.placeholder === '' ? '' : `\`${cell(type.placeholder)}\``
          const byDefault = required
            ? 'required'
            : (absent ?? (fallback === undefined ? '' : `\`${type.show(fallback)}\``))
          const inCode = name === undefined ? '' : ` In code: \`${key}\`.`
          return `| ${flags.join(', ')} | ${value} | ${byDefault} | ${cell(help)}.${inCode} | ${course ? 'yes' : ''} |`
        })
      return `## ${heading}\n\n| flag | value | default | what it does | same on resume |\n|---|---|---|---|---|\n${rows.join('\n')}\n`
    })
    .join('\n')
}
