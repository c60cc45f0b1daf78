// The settings of a run as a person meets them, of the table of settings.
import {
  fieldsOf,
  fromNames,
  groups,
  nameOf,
  settings,
  unreadOf,
  type Field,
  type Group,
  type Setting,
} from '@jora/lora/settings'

/** What is chosen in the settings section: all but the model and the data. */
export type SettingKey = keyof ReturnType<typeof fieldsOf<typeof settings>>

export const fields: Readonly<Record<SettingKey, Field>> = fieldsOf(settings)
export const settingKeys = Object.keys(fields) as SettingKey[]

/** Those that matter most, in their order. */
export const basicKeys: readonly SettingKey[] = settingKeys
  .filter((key) => fields[key].basic !== undefined)
  .sort((a, b) => fields[a].basic! - fields[b].basic!)

/** The others, by the groups they are folded in. */
export const advancedGroups: readonly { readonly title: string; readonly keys: readonly SettingKey[] }[] = (
  Object.keys(groups) as Group[]
).map((group) => ({
  title: groups[group].title,
  keys: settingKeys.filter((key) => fields[key].group === group && fields[key].basic === undefined),
}))

const keyOf = new Map(Object.entries<Setting>(settings).map(([key, setting]) => [nameOf(key, setting), key]))

/** Whether anything reads a setting beside values by their names; what nothing reads need not be asked for. */
export const isRead = (name: SettingKey, values: Readonly<Record<string, unknown>>): boolean =>
  unreadOf(settings, fromNames(settings, values), [keyOf.get(name)!]).length === 0

/** Labels by the names in requests and by those in run.json. */
const labels: Readonly<Record<string, string>> = {
  dataset: 'Data',
  ...Object.fromEntries(
    Object.entries<Setting>(settings).flatMap(([key, setting]) => [
      [key, setting.label],
      [nameOf(key, setting), setting.label],
    ]),
  ),
}

/** A setting's label, or its own name where it has none. */
export const labelOf = (key: string): string => labels[key] ?? spaced(key)

/** Settings in the order of the table, the model and the data first, those without a place last. */
export function inOrder<T>(entries: readonly (readonly [string, T])[]): (readonly [string, T])[] {
  const order = [...new Set([labelOf('modelPath'), ...Object.values(labels)])]
  const place = (key: string) => (order.indexOf(labelOf(key)) + order.length + 1) % (order.length + 1)
  return [...entries].sort(([a], [b]) => place(a) - place(b))
}

/** `totalSteps` → `Total steps` */
function spaced(key: string): string {
  const words = key.replace(/([a-z\d])([A-Z])/g, '$1 $2').toLowerCase()
  return words.charAt(0).toUpperCase() + words.slice(1)
}
