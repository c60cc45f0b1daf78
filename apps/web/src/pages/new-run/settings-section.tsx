// The settings: the five that matter most, the others folded, each with a sentence and its default.
import type { SettingsDefaults } from '@jora/gui/client'
import { typedOf, valuesOf, type DraftAction } from '../../settings/draft'
import { advancedGroups, basicKeys, fields, isRead, type SettingKey } from '../../settings/fields'
import { Section, type SectionStatus } from './section'
import { SettingControl } from './setting-control'

interface SettingsSectionProps {
  readonly typed: Readonly<Partial<Record<SettingKey, string>>>
  readonly defaults: SettingsDefaults
  readonly errors: Readonly<Partial<Record<SettingKey, string>>>
  readonly status: SectionStatus
  readonly onChange: (action: DraftAction) => void
}

export function SettingsSection({ typed, defaults, errors, status, onChange }: SettingsSectionProps) {
  const changed = Object.keys(typed) as SettingKey[]
  const hidden = changed.filter((key) => fields[key].basic === undefined).length
  // What nothing reads beside the other settings is not asked for; what was typed stays in sight.
  const values = { ...defaults, ...valuesOf(typed) }
  const isAsked = (key: SettingKey) => typed[key] !== undefined || isRead(key, values)
  const wrongInside = advancedGroups.some(({ keys }) => keys.some((key) => errors[key] !== undefined))
  const control = (key: SettingKey) => (
    <SettingControl
      key={key}
      name={key}
      value={typed[key] ?? typedOf(key, defaults[key])}
      fallback={typedOf(key, defaults[key])}
      changed={typed[key] !== undefined}
      error={errors[key]}
      onChange={(text) => onChange({ type: 'set', key, text, fallback: typedOf(key, defaults[key]) })}
      onReset={() => onChange({ type: 'reset', keys: [key] })}
    />
  )
  return (
    <Section id="settings" number={3} title="Settings" status={status}>
      <p className="soft small">
        The defaults are those of the paper that JORA follows, and work for most data. Changed ones are marked.
      </p>
      <div className="columns">{basicKeys.filter(isAsked).map(control)}</div>
      <details {...(wrongInside && { open: true })}>
        <summary>
          Advanced settings
          {hidden > 0 && ` (${hidden} changed)`}
        </summary>
        <div className="stack stack-l">
          {advancedGroups.map(({ title, keys }) => (
            <fieldset key={title} className="stack">
              <legend className="group-title">{title}</legend>
              <div className="columns">{keys.filter(isAsked).map(control)}</div>
            </fieldset>
          ))}
        </div>
      </details>
      {changed.length > 0 && (
        <div className="row">
          <button type="button" className="button" onClick={() => onChange({ type: 'reset', keys: changed })}>
            Back to the defaults
          </button>
        </div>
      )}
    </Section>
  )
}
