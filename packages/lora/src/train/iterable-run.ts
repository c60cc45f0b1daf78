// The old way to follow a run, for one more release: `for await (const event of trainLora(…))`.
import type { TrainEvent } from '../runs/events'
import type { TrainSummary } from './train-summary'

/** What `trainLora` gives: a promise, with what earlier versions had beside it. */
export interface TrainRun extends Promise<TrainSummary>, AsyncIterable<TrainEvent> {
  /**
   * Optimiser steps the whole run takes.
   * @deprecated use {@link stepsOfRun}
   */
  readonly totalSteps: number
}

/** The loop over a run's events was left: no fault of the run, which ends there. */
export class RunLeft extends Error {
  override readonly name = 'RunLeft'
}

type OnEvent = (event: TrainEvent) => void | Promise<void>

let isWarned = false
function warn(): void {
  if (isWarned) return
  isWarned = true
  globalThis.process?.emitWarning?.(
    'for await (… of trainLora(…)) goes in the next release; give { onEvent } as the fourth argument and await the promise',
    { type: 'DeprecationWarning', code: 'JORA_TRAIN_RUN' },
  )
}

/**
 * `start(onEvent)`, which can also be iterated: the run then waits for the loop's body at each event, and leaving the loop
 * early ends the run.
 */
export function iterableRun(start: (onEvent: OnEvent) => Promise<TrainSummary>, totalSteps: number): TrainRun {
  let hear: OnEvent | undefined
  let isBegun = false
  const summary = start((event) => {
    isBegun = true
    return hear?.(event)
  })
  async function* iterate(): AsyncGenerator<TrainEvent, void> {
    warn()
    if (hear || isBegun) throw new Error('this run was already started; call trainLora again for another')
    summary.catch(() => {}) // thrown to whoever iterates
    let give: (event: TrainEvent | undefined) => void = () => {}
    const nextEvent = () => new Promise<TrainEvent | undefined>((resolve) => (give = resolve))
    let next = nextEvent()
    let goOn = (): void => {}
    let leave: (reason: Error) => void = () => {}
    hear = (event) =>
      new Promise<void>((resolve, reject) => {
        ;[goOn, leave] = [resolve, reject]
        give(event)
      })
    const ended = () => give(undefined)
    summary.then(ended, ended)
    let isOver = false
    try {
      for (let event = await next; event; event = await next) {
        next = nextEvent()
        yield event
        goOn()
      }
      isOver = true
      await summary
    } finally {
      if (!isOver) {
        leave(new RunLeft('the run was left before its end'))
        await summary.catch(() => {}) // its files are closed
      }
    }
  }
  return Object.assign(summary, { totalSteps, [Symbol.asyncIterator]: iterate }) as TrainRun
}
