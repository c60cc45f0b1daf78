// Events of a training run: the lines of metrics.jsonl.

export interface StepEvent {
  readonly type: 'step'
  readonly step: number
  /** Fraction of epochs done, e.g. 1.5. */
  readonly epoch: number
  /** Mean over the labelled tokens of the step, in nats. */
  readonly loss: number
  readonly learningRate: number
  /** Global norm before clipping. */
  readonly gradNorm: number
  /** Tokens the device computed, padding included. */
  readonly tokens: number
  readonly targetTokens: number
  readonly samples: number
  readonly stepMs: number
  readonly deviceBytes: readonly number[]
}

export interface EvalEvent {
  readonly type: 'eval'
  readonly step: number
  readonly loss: number
  readonly perplexity: number
}

export interface CheckpointEvent {
  readonly type: 'checkpoint'
  readonly step: number
  /** Relative to the output directory. */
  readonly path: string
}

export interface DoneEvent {
  readonly type: 'done'
  readonly steps: number
  readonly seconds: number
  readonly peakDeviceBytes: readonly number[]
}

export interface ErrorEvent {
  readonly type: 'error'
  readonly message: string
}

export type TrainEvent = StepEvent | EvalEvent | CheckpointEvent | DoneEvent | ErrorEvent
