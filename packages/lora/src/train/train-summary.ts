// What a finished or stopped run comes to.
import type { Adapter } from '../adapter/adapter'

export interface TrainSummary {
  readonly outputDir: string
  readonly steps: number
  readonly totalSteps: number
  /** False when stopped by the signal. */
  readonly finished: boolean
  readonly finalLoss: number | undefined
  readonly adapter: Adapter
}
