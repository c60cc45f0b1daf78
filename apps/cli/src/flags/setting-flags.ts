// Settings as flags: the table of settings is the only place that tells of them.
import {
  groups,
  isNegated,
  nameOf,
  settings,
  type NameOf,
  type Setting,
  type Settings,
  type SettingsTable,
  type SettingType,
} from '@jora/lora/settings'
import { flagOfType, type Flag } from './flag'

/** A setting's value on the command line. */
type FlagValue<S extends Setting> =
  S['type'] extends SettingType<infer _T, infer P>
    ? S extends { readonly required: true } | { readonly fallback: NonNullable<unknown> }
      ? P
      : P | undefined
    : never

/** A flag for each setting, under its name. */
export type SettingFlags<S extends Settings> = { readonly [K in keyof S as NameOf<S, K>]: Flag<FlagValue<S[K]>> }

function flagOfSetting(setting: Setting): Flag<unknown> {
  const { type, fallback, absent, help, aliases, required } = setting
  const byDefault = absent ?? (fallback === undefined || type.placeholder === '' ? undefined : type.show(fallback))
  return {
    ...flagOfType(type, help),
    ...(aliases && { aliases }),
    ...(byDefault !== undefined && { shown: byDefault }),
    ...(fallback !== undefined && { fallback }),
    ...(required && { required }),
    ...(isNegated(setting) && { negated: true }),
  }
}

/** Flags for the settings of a table. */
export const flagsOf = <S extends Settings>(table: S): SettingFlags<S> =>
  Object.fromEntries(
    Object.entries(table).map(([key, setting]) => [nameOf(key, setting), flagOfSetting(setting)]),
  ) as unknown as SettingFlags<S>

/** Every setting as a flag. */
export const settingFlags: SettingFlags<SettingsTable> = flagsOf<SettingsTable>(settings)

/** The heading of a group of settings in help. */
export const headingOf = (group: Setting['group']): string => `${groups[group].heading}:`

/** Every setting as a flag, under the heading of its group. */
export const headedFlags = Object.fromEntries(
  Object.entries<Setting>(settings).map(([key, setting]) => {
    const name = nameOf(key, setting) as keyof typeof settingFlags
    return [name, { ...settingFlags[name], group: headingOf(setting.group) }]
  }),
) as unknown as typeof settingFlags
