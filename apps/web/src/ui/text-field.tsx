// A field of one line, with its label and its explanation.
import type { InputHTMLAttributes, ReactNode } from 'react'
import { Field } from './field'

interface TextFieldProps extends Omit<
  InputHTMLAttributes<HTMLInputElement>,
  'id' | 'className' | 'value' | 'onChange'
> {
  readonly label: ReactNode
  readonly hint?: ReactNode
  /** As wide as a number. */
  readonly short?: boolean
  readonly value: string | number
  readonly onChange: (value: string) => void
}

export function TextField({ label, hint, short = false, onChange, ...input }: TextFieldProps) {
  return (
    <Field label={label} hint={hint}>
      {(control) => (
        <input
          {...control}
          {...input}
          className={`input ${short ? 'input-short' : ''}`}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  )
}
