// Settings of a training run in requests: the flags of `jora train` in camel case, with the same types.
import {
  nameOf,
  settings,
  type NameOf,
  type RequiredKeys,
  type Setting,
  type Settings,
  type SettingsTable,
  type ValueOf,
} from '@jora/lora/settings'
import { z } from './zod'

/** A path or a name: no control characters, so that it stays one line wherever it is shown. */
const line = (longest: number) =>
  z
    .string()
    .min(1, 'expected some text')
    .max(longest, `expected at most ${longest} characters`)
    .regex(/^\P{Cc}*$/u, 'expected text without control characters')

/** Absolute path of a file or folder under one of the roots. */
export const pathSchema = line(4096)

/** A model: the absolute path of its folder, or a Hub id. `ModelInfo.ref` is one. */
export const modelRefSchema = line(4096)

/** Keys of the settings that requests have. */
type PageKeys<S extends Settings> = { [K in keyof S]: S[K] extends { readonly page: false } ? never : K }[keyof S]

/** Settings in a request, by their names: those that must be given, and the others. */
export type RequestOf<S extends Settings> = {
  [K in PageKeys<S> & RequiredKeys<S> as NameOf<S, K>]: ValueOf<S[K]>
} & {
  [K in Exclude<PageKeys<S>, RequiredKeys<S>> as NameOf<S, K>]?: ValueOf<S[K]> | undefined
}

function valueSchema({ type, required }: Setting): z.ZodType {
  const text = line(required || type.control.kind === 'path' ? 4096 : 200)
  const schema = z.unknown().check((context) => {
    const { value: input, issues } = context
    const problem = type.problem(input)
    const wrong =
      problem !== undefined
        ? `expected ${problem}`
        : typeof input === 'string'
          ? text.safeParse(input).error?.issues[0]?.message
          : undefined
    if (wrong !== undefined) issues.push({ code: 'custom', message: wrong, input })
  })
  return required ? schema : schema.optional()
}

/** The shape of a request's settings, for a table of them. */
export const schemaOf = <S extends Settings>(table: S) =>
  Object.fromEntries(
    Object.entries(table).flatMap(([key, setting]) =>
      setting.page === false ? [] : [[nameOf(key, setting), valueSchema(setting)]],
    ),
  ) as unknown as {
    [K in keyof RequestOf<S>]-?: undefined extends RequestOf<S>[K]
      ? z.ZodOptional<z.ZodType<NonNullable<RequestOf<S>[K]>>>
      : z.ZodType<RequestOf<S>[K]>
  }

/**
 * Settings of a run, in requests. Only `model` and `dataset` are required; absent ones have the command's default
 * (`Session.defaults`).
 */
export const settingsSchema = z.strictObject({ dataset: pathSchema, ...schemaOf<SettingsTable>(settings) })
/** Settings that {@link settingsSchema} accepts. */
export type RunSettings = z.infer<typeof settingsSchema>
/** Settings without what is chosen anew for each run. */
export type SettingsDefaults = Omit<RunSettings, 'model' | 'dataset'>

/** The defaults of the command line. */
export const settingsDefaults = Object.fromEntries(
  Object.entries<Setting>(settings).flatMap(([key, setting]) =>
    setting.page === false || setting.fallback === undefined ? [] : [[nameOf(key, setting), setting.fallback]],
  ),
) as SettingsDefaults

export { line as lineSchema }
