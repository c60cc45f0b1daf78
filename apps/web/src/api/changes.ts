// Runs and jobs as the server tells them: all there is, then every change. Pure; `store.ts` feeds it.
import type { ChangeEvent, Job, Run } from '@jora/gui/client'

export interface Known {
  /** Newest first. */
  readonly runs: readonly Run[]
  /** Newest first. */
  readonly jobs: readonly Job[]
  /** Whether the server has told all there is. */
  readonly complete: boolean
}

export const nothingKnown: Known = { runs: [], jobs: [], complete: false }

export function applyChange(known: Known, event: ChangeEvent): Known {
  switch (event.event) {
    case 'all':
      return { runs: newestFirst(event.runs, created), jobs: newestFirst(event.jobs, started), complete: true }
    case 'run':
      return { ...known, runs: newestFirst(replaced(known.runs, event.run), created) }
    case 'removed':
      return { ...known, runs: known.runs.filter(({ id }) => id !== event.id) }
    case 'job':
      return { ...known, jobs: newestFirst(replaced(known.jobs, event.job), started) }
  }
}

/** Whether something of a run can be asked, exported and evaluated: its adapter, or that of a checkpoint. */
export const canBeAsked = ({ hasAdapter, hasCheckpoint }: Run): boolean => hasAdapter || hasCheckpoint

/** A change of a run that people want to hear of; undefined for progress. */
export function newsOf(before: Run | undefined, after: Run): string | undefined {
  if (before === undefined || before.state === after.state) {
    if (before !== undefined && before.pending === null && after.pending !== null)
      return `${after.name}: asked to ${after.pending} after the step it is in.`
    return undefined
  }
  const told: Record<Run['state'], string> = {
    queued: 'waits in the queue',
    starting: 'is starting',
    running: before.step > 0 ? 'continues' : 'has started',
    paused: `is paused at step ${after.step}`,
    stopped: `was stopped at step ${after.step}`,
    failed: 'has failed',
    done: `is done after ${after.step} steps`,
  }
  return `${after.name} ${told[after.state]}.`
}

const created = ({ createdAt }: Run) => createdAt
const started = ({ startedAt }: Job) => startedAt

const newestFirst = <T>(list: readonly T[], time: (item: T) => string): T[] =>
  [...list].sort((a, b) => time(b).localeCompare(time(a)))

const replaced = <T extends { readonly id: string }>(list: readonly T[], item: T): T[] =>
  list.some(({ id }) => id === item.id) ? list.map((old) => (old.id === item.id ? item : old)) : [...list, item]
