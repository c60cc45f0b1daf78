// The metrics of a run as columns, grown event by event. Pure: `watch.ts` feeds it.
import type { Metric, MetricsColumns } from '@jora/gui/client'

type Steps = MetricsColumns['steps']

/** Adds a line of metrics.jsonl to the columns, in place. */
export function addMetric(columns: MetricsColumns, metric: Metric): void {
  switch (metric.type) {
    case 'step': {
      const { steps } = columns
      const before = steps.step.length
      for (const key of scalarKeys) steps[key].push(metric[key])
      metric.deviceBytes.forEach((bytes, device) => {
        // A device that was not there before has holes up to here.
        steps.deviceBytes[device] ??= Array.from({ length: before }, () => null)
        steps.deviceBytes[device].push(bytes)
      })
      for (const column of steps.deviceBytes) if (column.length === before) column.push(null)
      break
    }
    case 'eval': {
      const { evals } = columns
      evals.step.push(metric.step)
      evals.loss.push(metric.loss)
      evals.perplexity.push(metric.perplexity)
      evals.exactMatch.push(metric.exactMatch ?? null)
      break
    }
    case 'checkpoint':
      columns.checkpoints.push({ step: metric.step, path: metric.path })
      break
    case 'done':
      columns.done = { steps: metric.steps, seconds: metric.seconds, peakDeviceBytes: metric.peakDeviceBytes }
      break
    case 'error':
      columns.error = metric.message
  }
}

const scalarKeys = [
  'step',
  'epoch',
  'loss',
  'learningRate',
  'gradNorm',
  'tokens',
  'targetTokens',
  'samples',
  'stepMs',
] as const satisfies readonly Exclude<keyof Steps, 'deviceBytes'>[]

/** What the charts of a run draw: all on the steps there are. */
export interface RunCurves {
  readonly x: readonly number[]
  readonly loss: readonly (number | null)[]
  readonly heldOut: readonly (number | null)[]
  readonly learningRate: readonly (number | null)[]
  readonly gradNorm: readonly (number | null)[]
  readonly deviceBytes: readonly (readonly (number | null)[])[]
}

/** Steps and evaluations on one axis: an evaluation before the first step, or between steps, has a place too. */
export function curvesOf({ steps, evals }: Pick<MetricsColumns, 'steps' | 'evals'>): RunCurves {
  const own = steps.step.map((step) => step ?? 0)
  const place = new Map(own.map((step, i) => [step, i]))
  const apart = evals.step.filter((step) => step !== null && !place.has(step)) as number[]
  const x = apart.length === 0 ? own : [...new Set([...own, ...apart])].sort((a, b) => a - b)
  const index = apart.length === 0 ? place : new Map(x.map((step, i) => [step, i]))
  const spread = (at: readonly (number | null)[], values: readonly (number | null)[]): (number | null)[] => {
    const column: (number | null)[] = Array.from({ length: x.length }, () => null)
    at.forEach((step, i) => {
      if (step !== null) column[index.get(step)!] = values[i] ?? null
    })
    return column
  }
  const perStep = (values: readonly (number | null)[]) => (x === own ? [...values] : spread(steps.step, values))
  return {
    x: x === own ? [...own] : x,
    loss: perStep(steps.loss),
    heldOut: spread(evals.step, evals.loss),
    learningRate: perStep(steps.learningRate),
    gradNorm: perStep(steps.gradNorm),
    deviceBytes: steps.deviceBytes.map(perStep),
  }
}
