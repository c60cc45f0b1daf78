// What decides which passages come first: their words, their meaning, or both.
import type { ChatRequest } from '@jora/gui/client'
import { Field } from './field'

export type RetrieverName = NonNullable<ChatRequest['retriever']>

const retrievers: Readonly<Record<RetrieverName, string>> = {
  bm25: 'the words they share with the question',
  dense: 'what they mean',
  hybrid: 'words and meaning',
}

interface RetrieverFieldProps {
  readonly label: string
  readonly value: RetrieverName
  readonly onChange: (value: RetrieverName) => void
}

export function RetrieverField({ label, value, onChange }: RetrieverFieldProps) {
  return (
    <Field label={label} hint={value === 'bm25' ? undefined : 'Needs a small model, which is downloaded once (90 MB).'}>
      {(control) => (
        <select
          {...control}
          className="input"
          value={value}
          onChange={(event) => onChange(event.target.value as RetrieverName)}
        >
          {Object.entries(retrievers).map(([name, title]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}
