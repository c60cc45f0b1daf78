// A chart's numbers as a table: all rows that carry a sparse line's point, and of the others evenly some.
import { integer, number } from '../format'
import { evenly } from './downsample'
import type { Line } from './lines'

const mostRows = 200

interface ChartTableProps {
  readonly title: string
  readonly x: readonly number[]
  readonly lines: readonly Line[]
}

export function ChartTable({ title, x, lines }: ChartTableProps) {
  const sparse = lines.filter((line) => line.sparse === true)
  const rows = [
    ...new Set([
      ...evenly(x.length, mostRows),
      ...sparse.flatMap(({ values }) => values.flatMap((value, i) => (value === null ? [] : [i]))),
    ]),
  ].sort((a, b) => a - b)
  return (
    <div className="chart-table" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
      <table className="table">
        <caption className="visually-hidden">
          {title}: {integer(rows.length)} of {integer(x.length)} steps
        </caption>
        <thead>
          <tr>
            <th scope="col">Step</th>
            {lines.map(({ label }) => (
              <th key={label} scope="col" className="right">
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((i) => (
            <tr key={i}>
              <th scope="row">{integer(x[i]!)}</th>
              {lines.map(({ label, values, format = number }) => {
                const value = values[i]
                return (
                  <td key={label} className="right">
                    {value === null || value === undefined ? '' : format(value)}
                  </td>
                )
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length < x.length && (
        <p className="small soft">
          {integer(rows.length)} of {integer(x.length)} steps; all of them are in the run’s metrics.jsonl.
        </p>
      )}
    </div>
  )
}
