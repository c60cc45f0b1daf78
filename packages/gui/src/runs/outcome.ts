// How a run ended: from its exit code where that is known, else from what it wrote.
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { logFile, type GuiRecord } from './gui-record'
import type { ManagedRun } from './managed-run'

/** What the end of the process told; `code` is not known of one that was taken up after a restart. */
export interface ProcessEnd {
  readonly code?: number | null | undefined
  readonly error?: Error | undefined
}

const interruptedCode = 130

export async function outcomeOf(
  run: ManagedRun,
  { code, error }: ProcessEnd,
): Promise<Pick<GuiRecord, 'state' | 'message'>> {
  const { kind, pending } = run.record!
  if (error) return { state: 'failed', message: `It could not be started: ${error.message}` }
  const isDone = kind === 'train' ? run.tail?.done === true : await hasFile(run.folder, 'quickstart.json')
  if (isDone && (code === 0 || code === undefined || pending !== null)) return { state: 'done', message: null }

  const goesOn = run.hasCheckpoint && kind === 'train'
  const begins = goesOn ? null : 'There is no checkpoint yet: it will begin anew when it is resumed.'
  if (pending !== null) return { state: pending === 'pause' && goesOn ? 'paused' : 'stopped', message: begins }

  const told = await lastError(run.folder)
  if (code === interruptedCode || (code === undefined && told === undefined && run.tail?.last === 'checkpoint'))
    return { state: 'stopped', message: 'It was interrupted by someone else.' }
  const how = code == null ? '' : ` (code ${code})`
  return {
    state: 'failed',
    message: told ?? run.tail?.error ?? `It ended without a reason${how}; its log may tell more.`,
  }
}

const hasFile = async (folder: string, name: string): Promise<boolean> =>
  (await stat(join(folder, name)).catch(() => undefined)) !== undefined

/** The error that stands last in the log. One of an earlier start stands further up. */
async function lastError(folder: string): Promise<string | undefined> {
  const text = await readFile(join(folder, logFile), 'utf8').catch(() => '')
  const lines = text.slice(-20_000).trimEnd().split('\n')
  return lines
    .slice(-3)
    .findLast((line) => line.startsWith('error: '))
    ?.slice('error: '.length)
}
