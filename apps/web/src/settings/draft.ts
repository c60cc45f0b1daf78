// What is typed on the page for a new run, and the request that it makes. Pure; checked by the server's own schema.
import './no-eval'
import { settingsSchema } from '@jora/gui/api'
import { Expected } from '@jora/lora/settings'
import type { RunSettings, SettingsDefaults } from '@jora/gui/client'
import { fields, settingKeys, type SettingKey } from './fields'

export interface Draft {
  readonly name: string
  readonly model: string | undefined
  readonly dataset: string | undefined
  /** As typed; what is absent has its default. */
  readonly typed: Readonly<Partial<Record<SettingKey, string>>>
}

export const emptyDraft: Draft = { name: '', model: undefined, dataset: undefined, typed: {} }

export type DraftAction =
  | { readonly type: 'name'; readonly name: string }
  | { readonly type: 'model'; readonly model: string }
  | { readonly type: 'dataset'; readonly dataset: string | undefined }
  | { readonly type: 'set'; readonly key: SettingKey; readonly text: string; readonly fallback: string }
  | { readonly type: 'reset'; readonly keys: readonly SettingKey[] }
  | { readonly type: 'all'; readonly draft: Draft }

export function draftReducer(draft: Draft, action: DraftAction): Draft {
  switch (action.type) {
    case 'name':
      return { ...draft, name: action.name }
    case 'model':
      return { ...draft, model: action.model }
    case 'dataset': {
      // Columns are those of the file that was chosen before.
      const { columns: _columns, ...typed } = draft.typed
      return { ...draft, dataset: action.dataset, typed: action.dataset === draft.dataset ? draft.typed : typed }
    }
    case 'set': {
      const { [action.key]: _old, ...others } = draft.typed
      // What is typed back to its default is no change.
      return { ...draft, typed: action.text === action.fallback ? others : { ...others, [action.key]: action.text } }
    }
    case 'reset':
      return {
        ...draft,
        typed: Object.fromEntries(
          Object.entries(draft.typed).filter(([key]) => !action.keys.includes(key as SettingKey)),
        ),
      }
    case 'all':
      return action.draft
  }
}

/** A setting's value as its control shows it. */
export const typedOf = (key: SettingKey, value: unknown): string =>
  value === undefined ? '' : fields[key].type.show(value)

/** A run's settings as a draft: only what differs from the defaults counts as typed. */
export function draftOf({ model, dataset, ...rest }: RunSettings, defaults: SettingsDefaults): Draft {
  const typed = settingKeys.flatMap((key) => {
    const text = typedOf(key, rest[key])
    return rest[key] === undefined || text === typedOf(key, defaults[key]) ? [] : [[key, text] as const]
  })
  return { name: '', model, dataset, typed: Object.fromEntries(typed) }
}

export interface Parsed {
  /** Undefined while the model or the data is not chosen, or something is wrong. */
  readonly settings: RunSettings | undefined
  /** What is wrong, by setting. */
  readonly errors: Readonly<Partial<Record<SettingKey, string>>>
}

/** What was typed that is a value, by name; the rest is left out. */
export function valuesOf(typed: Draft['typed']): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    settingKeys.flatMap((key) => {
      const text = typed[key]?.trim()
      if (text === undefined || text === '') return []
      try {
        return [[key, valueOf(key, text)] as const]
      } catch {
        return []
      }
    }),
  )
}

/** Reads what was typed. An emptied control means the default. */
export function parseDraft({ model, dataset, typed }: Draft): Parsed {
  const settings: Record<string, unknown> = {}
  const errors: Partial<Record<SettingKey, string>> = {}
  for (const key of settingKeys) {
    const text = typed[key]?.trim()
    if (text === undefined || text === '') continue
    try {
      settings[key] = valueOf(key, text)
    } catch (error) {
      if (!(error instanceof Expected)) throw error
      errors[key] = sentence(`expected ${error.message}`)
    }
  }
  const complete = model !== undefined && dataset !== undefined && Object.keys(errors).length === 0
  return { settings: complete ? ({ ...settings, model, dataset } as RunSettings) : undefined, errors }
}

/** @throws Expected when the text is no value of the setting */
function valueOf(key: SettingKey, text: string): unknown {
  const { type, control } = fields[key]
  const isNumber = control.kind === 'integer' || control.kind === 'number'
  // Numbers as people group them: 1 000, 1_000.
  const value = type.parse(isNumber ? text.replace(/(\d)[ _](?=\d)/g, '$1') : text)
  const checked = settingsSchema.shape[key].safeParse(value)
  if (!checked.success) throw new Expected(checked.error.issues[0]?.message.replace(/^expected /, ''))
  return value
}

/** `expected an integer ≥ 1` → `Expected an integer ≥ 1.` */
const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`
