// What is typed on the page for a new run, and the request that it makes. Pure; checked by the server's own schema.
import './no-eval'
import { settingsSchema } from '@jora/gui/api'
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
    case 'dataset':
      return { ...draft, dataset: action.dataset }
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
export function typedOf(value: RunSettings[SettingKey]): string {
  if (value === undefined) return ''
  return Array.isArray(value) ? value.join(', ') : String(value)
}

/** A run's settings as a draft: only what differs from the defaults counts as typed. */
export function draftOf({ model, dataset, ...rest }: RunSettings, defaults: SettingsDefaults): Draft {
  const typed = settingKeys.flatMap((key) => {
    const text = typedOf(rest[key])
    return rest[key] === undefined || text === typedOf(defaults[key]) ? [] : [[key, text] as const]
  })
  return { name: '', model, dataset, typed: Object.fromEntries(typed) }
}

export interface Parsed {
  /** Undefined while the model or the data is not chosen, or something is wrong. */
  readonly settings: RunSettings | undefined
  /** What is wrong, by setting. */
  readonly errors: Readonly<Partial<Record<SettingKey, string>>>
}

/** Reads what was typed. An emptied control means the default. */
export function parseDraft({ model, dataset, typed }: Draft): Parsed {
  const settings: Record<string, unknown> = {}
  const errors: Partial<Record<SettingKey, string>> = {}
  for (const key of settingKeys) {
    const text = typed[key]?.trim()
    if (text === undefined || text === '') continue
    const value = valueOf(key, text)
    const checked = settingsSchema.shape[key].safeParse(value)
    if (checked.success) settings[key] = value
    else errors[key] = sentence(checked.error.issues[0]?.message)
  }
  const complete = model !== undefined && dataset !== undefined && Object.keys(errors).length === 0
  return { settings: complete ? ({ ...settings, model, dataset } as RunSettings) : undefined, errors }
}

function valueOf(key: SettingKey, text: string): unknown {
  switch (fields[key].control.kind) {
    case 'integer':
    case 'number':
      return Number(text.replace(/(\d)[ _](?=\d)/g, '$1'))
    case 'toggle':
      return text === 'true'
    case 'names':
      return text.split(/[\s,]+/).filter(Boolean)
    default:
      return text
  }
}

/** `expected an integer ≥ 1` → `Expected an integer ≥ 1.` */
const sentence = (text = 'This value cannot be used'): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, '')}.`
