// Questions to try from the rows of a run's data, held-out ones first.
import { useMemo } from 'react'
import { api } from '../../api/client'
import { useRequest } from '../../api/use-request'
import { examplesOf, nameOf, type Example } from './examples'

const most = 6

interface ExamplePickerProps {
  readonly dataset: string
  readonly onChoose: (example: Example) => void
}

export function ExamplePicker({ dataset, onChoose }: ExamplePickerProps) {
  const { data } = useRequest(dataset, (signal) => api.inspect(dataset, 100, signal))
  const examples = useMemo(() => examplesOf(data?.first ?? [], most), [data])
  if (examples.length === 0) return null
  const heldOut = examples.every((example) => example.heldOut)
  return (
    <div className="stack stack-s" role="group" aria-label="Examples">
      <span className="small soft">
        {heldOut ? 'Held-out questions, never learned from:' : 'Questions of its data, some of them learned from:'}
      </span>
      <ul className="examples">
        {examples.map((example, i) => (
          <li key={i}>
            <button type="button" className="example" onClick={() => onChoose(example)}>
              {nameOf(example)}
            </button>
          </li>
        ))}
      </ul>
    </div>
  )
}
