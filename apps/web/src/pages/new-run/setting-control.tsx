// The control of one setting, of the kind its table entry says.
import { useState } from 'react'
import { fields, type SettingKey } from '../../settings/fields'
import { Field, type ControlProps } from '../../ui/field'
import { FileBrowser } from '../../ui/file-browser'

interface SettingControlProps {
  readonly name: SettingKey
  readonly value: string
  readonly fallback: string
  readonly changed: boolean
  readonly error: string | undefined
  readonly onChange: (text: string) => void
  readonly onReset: () => void
}

export function SettingControl(props: SettingControlProps) {
  const { name, fallback, changed, error, onReset } = props
  const { label, about, control } = fields[name]
  const shown =
    control.kind === 'choice'
      ? control.options[fallback]
      : control.kind === 'toggle'
        ? undefined
        : fallback || undefined
  return (
    <Field
      label={label}
      error={error}
      hint={about}
      aside={
        changed && (
          <button type="button" className="reset" onClick={onReset}>
            reset{shown !== undefined && ` to ${shown}`}
            <span className="visually-hidden"> ({label})</span>
          </button>
        )
      }
    >
      {(attributes) => <Control {...props} attributes={attributes} />}
    </Field>
  )
}

function Control({
  name,
  value,
  fallback,
  changed,
  onChange,
  attributes,
}: SettingControlProps & { readonly attributes: ControlProps }) {
  const { control, placeholder } = fields[name]
  const [browsing, setBrowsing] = useState(false)
  const className = `input ${changed ? 'input-changed' : ''}`
  switch (control.kind) {
    case 'choice':
    case 'toggle': {
      const options: Readonly<Record<string, string>> =
        control.kind === 'choice' ? control.options : { true: 'Yes', false: 'No' }
      // Without a value it is what `placeholder` says: one of the options, or words for none of them.
      const none = placeholder !== undefined && placeholder in options ? placeholder : ''
      return (
        <select
          {...attributes}
          className={className}
          value={value === '' ? none : value}
          onChange={({ target }) => onChange(target.value === none ? '' : target.value)}
        >
          {fallback === '' && none === '' && <option value="">{placeholder}</option>}
          {value !== '' && !(value in options) && <option value={value}>{value}</option>}
          {Object.entries(options).map(([option, text]) => (
            <option key={option} value={option}>
              {text}
            </option>
          ))}
        </select>
      )
    }
    case 'path':
      return (
        <>
          <span className="with-button">
            <input
              {...attributes}
              className={className}
              value={value}
              placeholder="none"
              spellCheck={false}
              onChange={(event) => onChange(event.target.value)}
            />
            <button
              type="button"
              className="button"
              aria-expanded={browsing}
              aria-label={`Browse for: ${fields[name].label}`}
              onClick={() => setBrowsing(!browsing)}
            >
              Browse
            </button>
          </span>
          {browsing && (
            <FileBrowser
              use={control.of === 'file' ? 'dataset' : 'adapter'}
              onChoose={({ path }) => {
                onChange(path)
                setBrowsing(false)
              }}
            />
          )}
        </>
      )
    default: {
      return (
        <input
          {...attributes}
          className={className}
          value={value}
          inputMode={control.kind === 'integer' ? 'numeric' : control.kind === 'number' ? 'decimal' : 'text'}
          spellCheck={false}
          autoComplete="off"
          {...(placeholder !== undefined && { placeholder })}
          onChange={(event) => onChange(event.target.value)}
        />
      )
    }
  }
}
