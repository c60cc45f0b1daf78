// @jora/lora/settings: the table of settings, and what is made of it. Small, and for pages too.
export { ConfigError } from './config-error'
export {
  checkSettings,
  courseOf,
  defaultsOf,
  docsOf,
  fieldsOf,
  flagOf,
  fromNames,
  isNegated,
  kebab,
  nameOf,
  toNames,
  type Field,
  type PageName,
  type RequiredKeys,
} from './derive'
export {
  Expected,
  groups,
  type Control,
  type Group,
  type NameOf,
  type Setting,
  type Settings,
  type SettingType,
  type ValueOf,
  type ValuesOf,
} from './setting'
export { recipes, type Recipe, type RecipeName } from './recipes'
export { settings, type SettingKey, type SettingsTable } from './table'
export type { FinetuningType, InitLoraWeights, SavedModule, SaveDType } from './table/adapter'
export { checkRead, unreadOf, type Unread } from './unread'
export * as types from './types'
