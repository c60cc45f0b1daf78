// What evaluations come to: which was the best, and how long there was no better one.
import type { EvalEvent } from '../../runs/events'
import { scoreOf, type WatchMetric } from '../../settings/table/watching'
import type { WatchRule } from '../../settings/watch-rule'

/** The best evaluation so far. */
export interface BestEvaluation {
  readonly step: number
  readonly value: number
}

/** Where the watching is; kept in checkpoints, so that a resumed run ends where the whole one would. */
export interface Watched {
  readonly metric: WatchMetric
  readonly best: BestEvaluation | null
  /** Evaluations since the patience was last renewed. */
  readonly waited: number
}

/** The start, or what a checkpoint says if it went by the same metric. */
export const watchedFrom = ({ metric }: Pick<WatchRule, 'metric'>, earlier?: Watched): Watched =>
  earlier?.metric === metric ? earlier : { metric, best: null, waited: 0 }

/** The value of a metric in an evaluation; undefined where it has none that is finite. */
export function valueOf(event: EvalEvent, metric: WatchMetric): number | undefined {
  const value = metric === 'loss' ? event.loss : event[scoreOf[metric]]
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined
}

/**
 * After another evaluation. Any better value is the best; only one that is better by more than `minDelta` renews the patience,
 * as in transformers. An evaluation before the first step is for comparison alone: there is no adapter yet to keep.
 */
export function watch(watched: Watched, event: EvalEvent, { minDelta }: Pick<WatchRule, 'minDelta'>): Watched {
  if (event.step === 0) return watched
  const { metric, best, waited } = watched
  const value = valueOf(event, metric)
  const gain = value === undefined ? -1 : best === null ? Infinity : (metric === 'loss' ? -1 : 1) * (value - best.value)
  return {
    metric,
    best: value !== undefined && gain > 0 ? { step: event.step, value } : best,
    waited: gain > minDelta ? 0 : waited + 1,
  }
}

/** Whether there was no better evaluation for so long that training ends. */
export const isExhausted = ({ waited }: Watched, { patience = Infinity }: Pick<WatchRule, 'patience'>): boolean =>
  waited >= patience
