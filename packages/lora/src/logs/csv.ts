// A run as a table: a line for each step, with what was measured at it.
import { seriesOf, type RunRecord } from './record'

/** CSV with a column for each series, named as in TensorBoard; empty where nothing was measured at a step. */
export function runCsv(run: Pick<RunRecord, 'steps' | 'evals'>): string {
  const series = seriesOf(run)
  const rows = new Map<number, Map<string, number>>()
  for (const [name, points] of series)
    for (const { step, value } of points) {
      const row = rows.get(step) ?? new Map<string, number>()
      row.set(name, value)
      rows.set(step, row)
    }
  const names = [...series.keys()]
  const lines = [...rows.entries()]
    .sort(([a], [b]) => a - b)
    .map(([step, row]) => [step, ...names.map((name) => row.get(name) ?? '')].join(','))
  return `${[['step', ...names].join(','), ...lines].join('\n')}\n`
}
