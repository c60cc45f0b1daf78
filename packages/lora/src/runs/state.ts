// A run's state: what events make of it. The only place that says which states there are and what leads from one to the next.
import type { BeginEvent, ControlEvent, RunEvent, StepEvent, TrainEvent } from './events'

/** What a run is doing. {@link transitions} says what leads from one to another. */
export type RunState = 'queued' | 'starting' | 'running' | 'paused' | 'stopped' | 'done' | 'failed'

type EventType = RunEvent['type']

const trained = { step: 'running', eval: 'running', checkpoint: 'running', done: 'done', error: 'failed' } as const
const ended = { finished: 'done', paused: 'paused', stopped: 'stopped', failed: 'failed' } as const
const open = { queue: 'queued' } as const

/** By state and event, the next state. What is not here cannot happen, and changes nothing. */
export const transitions: Record<RunState, Partial<Record<EventType, RunState>>> = {
  queued: { start: 'starting', unqueue: 'stopped' },
  starting: { ...trained, ...ended, begin: 'running', pause: 'starting', stop: 'starting', requeue: 'queued' },
  running: { ...trained, ...ended, pause: 'running', stop: 'running' },
  paused: open,
  stopped: open,
  failed: open,
  done: {},
}

/** Steps that a run's speed is taken from. */
const speedSteps = 20

/** What is known of a run. */
export interface RunSnapshot {
  readonly state: RunState
  /** Asked of the process and not done yet. */
  readonly pending: 'pause' | 'stop' | null
  /** Why it is as it is. */
  readonly message: string | null
  /** Whether somebody starts it and hears of its end: then the trainer's last word is not the end. */
  readonly isWatched: boolean
  /** In milliseconds since 1970; 0: never. */
  readonly queuedAt: number
  readonly startedAt: number
  readonly begunAt: number
  readonly step: number
  readonly totalSteps: number | null
  readonly epoch: number | null
  readonly loss: number | null
  /** Of the newest evaluation. */
  readonly evalLoss: number | null
  /** The lowest held-out loss. */
  readonly best: { readonly step: number; readonly loss: number } | null
  /** Of the newest checkpoint; relative to the output directory. */
  readonly checkpoint: string | null
  readonly last: TrainEvent['type'] | null
  /** Whether the trainer did all its steps. */
  readonly isTrained: boolean
  /** The trainer's own. */
  readonly error: string | null
  /** The newest steps, for their speed. */
  readonly recent: readonly Pick<StepEvent, 'step' | 'stepMs' | 'tokens'>[]
}

/** A run of which nothing is known yet. */
export const newRun: RunSnapshot = {
  state: 'starting',
  pending: null,
  message: null,
  isWatched: false,
  queuedAt: 0,
  startedAt: 0,
  begunAt: 0,
  step: 0,
  totalSteps: null,
  epoch: null,
  loss: null,
  evalLoss: null,
  best: null,
  checkpoint: null,
  last: null,
  isTrained: false,
  error: null,
  recent: [],
}

/** Whether `event` is possible in the run's present state. */
export const allows = ({ state }: RunSnapshot, event: ControlEvent['type']): boolean =>
  transitions[state][event] !== undefined

/**
 * The run after `event`. Events of one file must come in its order; those of control.jsonl and of the trainer may be
 * interleaved in any way with the same result: neither writer waits for the other.
 */
export function fold(run: RunSnapshot, event: RunEvent): RunSnapshot {
  switch (event.type) {
    case 'begin':
      return entered({ ...run, begunAt: event.at, totalSteps: event.totalSteps }, event)
    case 'step':
    case 'eval':
    case 'checkpoint':
    case 'done':
    case 'error':
      return entered({ ...run, ...factsOf(run, event), last: event.type }, event)
    default:
      return controlled(run, event)
  }
}

/** What the trainer says, as the numbers of a run. */
function factsOf(run: RunSnapshot, event: TrainEvent): Partial<RunSnapshot> {
  switch (event.type) {
    case 'step': {
      const { step, epoch, loss, stepMs, tokens } = event
      return { step, epoch, loss, recent: [...run.recent.slice(1 - speedSteps), { step, stepMs, tokens }] }
    }
    case 'eval': {
      const { step, loss } = event
      // null: a loss that was not finite, as JSON has it.
      // One before the first step is for comparison alone.
      const isBest = step > 0 && typeof loss === 'number' && (run.best === null || loss < run.best.loss)
      return { evalLoss: loss, best: isBest ? { step, loss } : run.best }
    }
    case 'checkpoint':
      return { checkpoint: event.path }
    case 'done':
      return { isTrained: true, step: Math.max(run.step, event.steps) }
    case 'error':
      return { error: event.message }
  }
}

/** The trainer's word for the state: all of it for a run nobody watches, else only that it has begun. */
function entered(run: RunSnapshot, event: TrainEvent | BeginEvent): RunSnapshot {
  if (run.isWatched) return begun(run)
  return { ...run, state: transitions[run.state][event.type] ?? run.state }
}

/** Lines of an earlier start do not make a run go that is only starting. */
const begun = (run: RunSnapshot): RunSnapshot =>
  run.state === 'starting' && run.begunAt >= run.startedAt ? { ...run, state: transitions.starting.begin! } : run

function controlled(run: RunSnapshot, event: ControlEvent): RunSnapshot {
  const { type, at, message = null } = event
  // The first word of who watches it: whatever the trainer said is only numbers from here on.
  const state = run.isWatched ? transitions[run.state][type] : type === 'queue' ? 'queued' : undefined
  if (state === undefined) return run
  const next: RunSnapshot = { ...run, isWatched: true, state }
  switch (type) {
    case 'pause':
      return { ...next, pending: run.pending ?? 'pause' }
    case 'stop':
      return { ...next, pending: 'stop' }
    case 'start':
      return begun({ ...next, startedAt: at, pending: null, message })
    case 'queue':
    case 'requeue':
      return { ...next, queuedAt: at, pending: null, message }
    default:
      return { ...next, pending: null, message }
  }
}

/** Tokens and milliseconds over the newest steps; null before the first. */
export function speedOf({ recent }: RunSnapshot): { tokensPerSecond: number | null; stepMs: number | null } {
  // The first step of a program compiles it.
  const steps = recent.length > 1 ? recent.slice(1) : recent
  const milliseconds = steps.reduce((n, { stepMs }) => n + stepMs, 0)
  const tokens = steps.reduce((n, step) => n + step.tokens, 0)
  return milliseconds > 0
    ? { tokensPerSecond: (1000 * tokens) / milliseconds, stepMs: milliseconds / steps.length }
    : { tokensPerSecond: null, stepMs: null }
}

/** How a process ended. */
export interface ProcessEnd {
  /** Undefined where nobody was there to be told; null: a signal ended it. */
  readonly code?: number | null | undefined
  /** The signal that ended it. */
  readonly signal?: string | null | undefined
  /** Whether what was to be made is there. */
  readonly isDone: boolean
  /** The error that it printed last. */
  readonly told?: string | undefined
  /** Whether a resumed run would go on from a checkpoint. */
  readonly hasCheckpoint: boolean
}

const interruptedCode = 130

/** What the end of its process means for a run. */
export function outcomeOf(run: RunSnapshot, end: ProcessEnd): Pick<ControlEvent, 'type' | 'message'> {
  const { code, signal, told, hasCheckpoint } = end
  const { pending } = run
  const hasBegun = run.begunAt >= run.startedAt
  if (end.isDone && (code === 0 || code === undefined || pending !== null)) return { type: 'finished' }
  const begins = hasCheckpoint
    ? {}
    : { message: 'There is no checkpoint yet: it will start from the beginning when it is resumed.' }
  if (pending !== null) return { type: pending === 'pause' && hasCheckpoint ? 'paused' : 'stopped', ...begins }
  const leftCheckpoint = hasBegun && run.last === 'checkpoint'
  if (code === interruptedCode || (code === undefined && told === undefined && leftCheckpoint))
    return { type: 'stopped', message: 'It was interrupted by someone else.' }
  const how = code == null ? '' : ` (code ${code})`
  const own = hasBegun ? run.error : null
  const silent = signal
    ? `It was killed from outside (${signal}): by someone, or by a system that ran out of memory.`
    : `It ended without a reason${how}; its log may tell more.`
  return { type: 'failed', message: told ?? own ?? silent }
}
