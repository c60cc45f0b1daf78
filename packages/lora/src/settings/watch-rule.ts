// What a run is held to while it trains, as its settings say it.
import { ConfigError } from './config-error'
import type { ValuesOf } from './setting'
import type { ScoreMetric, WatchMetric, watchingSettings } from './table/watching'

/** What the evaluations of a run are for; each is described in the table of settings. */
export interface WatchRule {
  /** Scores of answers at each evaluation. */
  readonly scores: readonly ScoreMetric[]
  /** What better means. */
  readonly metric: WatchMetric
  readonly minDelta: number
  /** Evaluations in a row without a better one, after which training ends; undefined: it never does. */
  readonly patience?: number | undefined
  /** Whether the adapter is that of the best evaluation. */
  readonly loadBest: boolean
  readonly evalOnStart: boolean
}

/** The rule of a run that is held to nothing. */
export const watchNothing: WatchRule = {
  scores: [],
  metric: 'loss',
  minDelta: 0,
  loadBest: false,
  evalOnStart: false,
}

/** The rule that settings make. @throws ConfigError for a metric that is not measured */
export function watchRuleOf(settings: ValuesOf<typeof watchingSettings>): WatchRule {
  const { evalMetrics: scores, metricForBest: metric, minDelta, patience, loadBest, evalOnStart } = settings
  if (metric !== 'loss' && !scores.includes(metric))
    throw new ConfigError(
      `metricForBest is ${metric}, expected loss or one of evalMetrics (${scores.join(', ') || 'none'})`,
      'metricForBest',
    )
  return { scores, metric, minDelta, patience, loadBest, evalOnStart }
}

/** The setting that cannot do without held-out rows; undefined where none is given. */
export const needsHeldOut = ({ scores, patience, loadBest, evalOnStart }: WatchRule): string | undefined =>
  [
    patience !== undefined && 'patience',
    loadBest && 'loadBest',
    scores.length > 0 && 'evalMetrics',
    evalOnStart && 'evalOnStart',
  ].find((name) => name !== false)
