// What happens to a run. Two files hold it, with one writer each: the trainer's metrics.jsonl (and run.json, its first
// word), and control.jsonl, of whoever starts and stops the run.
import type { ScoreName } from '@jora/data'

/** One optimiser step. */
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

/** Scores of answers to held-out questions, each in [0, 1], and what they cost. */
export type AnswerFigures = Readonly<Partial<Record<ScoreName, number>>> & {
  /** Questions that were answered. */
  readonly answers?: number
  readonly answerSeconds?: number
}

/** The held-out rows after a step, and answers where `evalMetrics` asks for them. */
export interface EvalEvent extends AnswerFigures {
  readonly type: 'eval'
  /** 0 before the first step. */
  readonly step: number
  /** Mean over the labelled tokens of the held-out rows, in nats. */
  readonly loss: number
  readonly perplexity: number
  /** Of preferences: the share of them that the model has right; the perplexity is then that of good answers. */
  readonly accuracy?: number
  /** Of preferences: the mean margin. */
  readonly margin?: number
}

/** A checkpoint is in its folder, whole. */
export interface CheckpointEvent {
  readonly type: 'checkpoint'
  readonly step: number
  /** Relative to the output directory. */
  readonly path: string
}

/** All steps are done, or there was no better evaluation for as long as patience lasts, and the adapter is in the output directory. */
export interface DoneEvent {
  readonly type: 'done'
  readonly steps: number
  readonly seconds: number
  readonly peakDeviceBytes: readonly number[]
  /** Programs that were compiled with the model in them: for training steps and evaluations. Absent in earlier versions. */
  readonly programs?: number
  /** Patience ran out before the last step. */
  readonly stoppedEarly?: true
  /** The evaluation whose adapter was kept, where that is not the last step's. */
  readonly kept?: { readonly step: number; readonly metric: string; readonly value: number }
}

/** The last line of a run that failed. */
export interface ErrorEvent {
  readonly type: 'error'
  readonly message: string
}

/** A line of metrics.jsonl. */
export type TrainEvent = StepEvent | EvalEvent | CheckpointEvent | DoneEvent | ErrorEvent

/** The trainer has opened the output directory: its word is run.json, not a line. */
export interface BeginEvent {
  readonly type: 'begin'
  /** Milliseconds since 1970; 0 where run.json does not say. */
  readonly at: number
  readonly totalSteps: number | null
}

/** What is asked of a run; `requeue`: who started it was gone before its process was let go. */
export type Asked = 'queue' | 'unqueue' | 'start' | 'requeue' | 'pause' | 'stop'
/** How its process ended. */
export type Ended = 'paused' | 'stopped' | 'failed' | 'finished'

/** A line of control.jsonl. */
export interface ControlEvent {
  readonly type: Asked | Ended
  /** Milliseconds since 1970. */
  readonly at: number
  /** Why, for people. */
  readonly message?: string
}

/** All that can happen to a run. */
export type RunEvent = TrainEvent | BeginEvent | ControlEvent
