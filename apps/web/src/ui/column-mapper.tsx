// Which column of a table is which: each with values of its own, and what of a row it is used as.
import { useState } from 'react'
import type { Inspection } from '@jora/gui/client'
import { guessColumns, mappingOf, mappingText, parts, unusable, type Mapping, type Part } from './column-mapping'

interface ColumnMapperProps {
  readonly columns: Inspection['columns']
  /** As `--columns` has it; undefined: as the columns are called. */
  readonly value: string | undefined
  readonly onUse: (columns: string | undefined) => void
}

const titles: Readonly<Record<Part, string>> = {
  question: 'Question',
  answer: 'Answer',
  context: 'Context: what the question is on',
  input: 'Input of an instruction',
  id: 'Id',
}

export function ColumnMapper({ columns, value, onUse }: ColumnMapperProps) {
  const [mapping, setMapping] = useState<Mapping>(() =>
    value === undefined ? guessColumns(columns) : mappingOf(value),
  )
  const text = mappingText(mapping)
  const usedAs = (name: string): Part | '' => parts.find((part) => mapping[part] === name) ?? ''
  const choose = (name: string, part: Part | '') =>
    setMapping((before) => {
      const kept = Object.fromEntries(Object.entries(before).filter(([key, column]) => column !== name && key !== part))
      // A row has one of them.
      if (part === 'context') delete kept.input
      if (part === 'input') delete kept.context
      return part === '' ? kept : { ...kept, [part]: name }
    })
  return (
    <div className="stack stack-s">
      <ul className="mapper" aria-label="Columns of the file">
        {columns.map(({ name, examples }) => {
          const problem = unusable(name)
          return (
            <li key={name} className={`mapper-row ${usedAs(name) === '' ? '' : 'mapper-used'}`}>
              <div className="grow">
                <strong className="wrap-anywhere">{name}</strong>
                {examples.map((example) => (
                  <p key={example} className="soft small mapper-example">
                    {example}
                  </p>
                ))}
                {examples.length === 0 && <p className="soft small">(empty)</p>}
                {problem !== undefined && <p className="small">{problem}</p>}
              </div>
              <select
                className="input"
                aria-label={`${name} is used as`}
                value={usedAs(name)}
                disabled={problem !== undefined}
                onChange={(event) => choose(name, event.target.value as Part | '')}
              >
                <option value="">not used</option>
                {parts.map((part) => (
                  <option key={part} value={part}>
                    {titles[part]}
                  </option>
                ))}
              </select>
            </li>
          )
        })}
      </ul>
      <div className="row">
        <button
          type="button"
          className={`button ${text === value ? '' : 'button-primary'}`}
          disabled={text === undefined || text === value}
          onClick={() => onUse(text)}
        >
          Use these columns
        </button>
        {value !== undefined && (
          <button type="button" className="button button-quiet" onClick={() => onUse(undefined)}>
            As they are called
          </button>
        )}
        {text === undefined && <span className="soft small">A question and an answer are needed.</span>}
      </div>
    </div>
  )
}
