// What a finished or stopped run comes to.
import type { Adapter } from '../adapter/adapter'

/** What a run that has finished, or was stopped, leaves. */
export interface TrainSummary {
  readonly outputDir: string
  readonly steps: number
  readonly totalSteps: number
  /** False when the signal stopped it. */
  readonly finished: boolean
  readonly finalLoss: number | undefined
  readonly adapter: Adapter
}
