// A short field for a number.
import type { ReactNode } from 'react'
import { TextField } from './text-field'

interface NumberFieldProps {
  readonly label: ReactNode
  readonly hint?: ReactNode
  readonly min: number
  readonly max?: number
  readonly value: number
  /** What was typed; NaN where that is no number. */
  readonly onChange: (value: number) => void
}

export function NumberField({ onChange, ...props }: NumberFieldProps) {
  return (
    <TextField {...props} short type="number" onChange={(text) => onChange(text === '' ? Number.NaN : Number(text))} />
  )
}
