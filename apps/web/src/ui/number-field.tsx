// A short field for a number, with its label and its explanation.
import type { ReactNode } from 'react'
import { Field } from './field'

interface NumberFieldProps {
  readonly label: ReactNode
  readonly hint?: ReactNode
  readonly min: number
  readonly max?: number
  readonly value: number
  /** What was typed; NaN where that is no number. */
  readonly onChange: (value: number) => void
}

export function NumberField({ label, hint, min, max, value, onChange }: NumberFieldProps) {
  return (
    <Field label={label} hint={hint}>
      {(control) => (
        <input
          {...control}
          className="input input-short"
          type="number"
          min={min}
          max={max}
          value={value}
          onChange={(event) => onChange(event.target.valueAsNumber)}
        />
      )}
    </Field>
  )
}
