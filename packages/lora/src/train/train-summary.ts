// What a finished or stopped run comes to.
import type { Adapter } from '../adapter/adapter'
import type { BestEvaluation } from './watch/watching'

/** What a run that has finished, or was stopped, leaves. */
export interface TrainSummary {
  readonly outputDir: string
  readonly steps: number
  readonly totalSteps: number
  /** False when the signal stopped it. */
  readonly finished: boolean
  readonly finalLoss: number | undefined
  /** Of the last step, or of the best evaluation where `loadBest` is set. */
  readonly adapter: Adapter
  /** The best evaluation, by `metricForBest`; undefined without any. */
  readonly best: BestEvaluation | undefined
  /** Programs that were compiled with the model in them: for training steps and evaluations. */
  readonly programs: number
}
