// The table of settings: each is declared here and nowhere else.
import { adapterSettings } from './table/adapter'
import { deviceSettings } from './table/device'
import { rowSettings } from './table/rows'
import { trainingSettings } from './table/training'
import { watchingSettings } from './table/watching'

/** Every setting of a run, in the order in which help, page and docs have them. */
export const settings = {
  ...rowSettings,
  ...adapterSettings,
  ...trainingSettings,
  ...watchingSettings,
  ...deviceSettings,
}
/** The type of {@link settings}. */
export type SettingsTable = typeof settings
/** A key of {@link settings}: the setting's name in code and in run.json. */
export type SettingKey = keyof SettingsTable
