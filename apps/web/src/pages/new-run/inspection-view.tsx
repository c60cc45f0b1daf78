// What is in a file: its format, its size, its first rows, and every row that cannot be used.
import type { DatasetFormat, Inspection } from '@jora/gui/client'
import { bytes, integer, plural } from '../../format'
import { Notice } from '../../ui/notice'

const formats: Readonly<Record<DatasetFormat, string>> = {
  alpaca: 'instructions and answers (Alpaca)',
  completion: 'prompts and completions',
  chat: 'chats (messages)',
  sharegpt: 'chats (ShareGPT)',
  raft: 'documents with questions (RAFT)',
  tokens: 'token ids',
}

const layouts: Readonly<Record<Inspection['layout'], string>> = {
  lines: 'one JSON object a line',
  array: 'one JSON list',
  table: 'a table',
}

export function InspectionView({ inspection }: { readonly inspection: Inspection }) {
  const { format, formats: all, layout, rows, first, errors, errorCount, hint } = inspection
  return (
    <>
      <p className="num">
        {format === null ? (
          'No known format'
        ) : (
          <>
            <strong>{integer(rows)}</strong> rows of{' '}
            {(all.length > 1 ? all : [format]).map((one) => formats[one]).join(' and ')}
          </>
        )}
        <span className="soft">
          {' '}
          · {bytes(inspection.bytes)}, {layouts[layout]}
        </span>
      </p>
      {(errorCount > 0 || format === null) && (
        <Notice
          tone="bad"
          title={
            format === null ? 'The rows have no format that JORA knows' : `${plural(errorCount, 'row')} cannot be used`
          }
        >
          <p>{hint ?? 'Correct them in the file and choose it again; a run stops at such rows before it trains.'}</p>
          <div className="scroll-x row-errors" tabIndex={0} role="region" aria-label="Rows that cannot be used">
            <table className="table">
              <thead>
                <tr>
                  <th scope="col" className="right">
                    Row
                  </th>
                  <th scope="col" className="right">
                    Line
                  </th>
                  <th scope="col">Key</th>
                  <th scope="col">What is wrong</th>
                </tr>
              </thead>
              <tbody>
                {errors.map(({ row, line, key, message }, i) => (
                  <tr key={i}>
                    <td className="right">{row ?? '–'}</td>
                    <td className="right">{line ?? '–'}</td>
                    <td>{key === null ? '–' : <code>{key}</code>}</td>
                    <td>{message}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
          {errors.length < errorCount && <p className="small">The first {errors.length} are shown.</p>}
        </Notice>
      )}
      {first.length > 0 && (
        <details>
          <summary>{first.length === 1 ? 'The first row' : `The first ${first.length} rows`} as they stand</summary>
          <pre className="log" tabIndex={0} role="region" aria-label="First rows">
            {first.map((row) => JSON.stringify(row, null, 2)).join('\n')}
          </pre>
        </details>
      )}
    </>
  )
}
