// One of a few, side by side: radio buttons that look like a switch.
import { useId, type ReactNode } from 'react'

interface SegmentsProps<T extends string> {
  readonly label: string
  readonly value: T
  readonly options: readonly { readonly value: T; readonly label: ReactNode; readonly name?: string }[]
  readonly onChange: (value: T) => void
  readonly icons?: boolean
}

export function Segments<T extends string>({ label, value, options, onChange, icons = false }: SegmentsProps<T>) {
  const name = useId()
  return (
    <fieldset>
      <legend className="visually-hidden">{label}</legend>
      <div className={`segments ${icons ? 'segments-icons' : ''}`}>
        {options.map((option) => (
          <label key={option.value} title={option.name}>
            <input
              type="radio"
              name={name}
              value={option.value}
              checked={option.value === value}
              onChange={() => onChange(option.value)}
              aria-label={option.name}
            />
            <span>{option.label}</span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}
