// A run's command line, and what its process printed at its end.
import { open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { outcomeOf, type ControlEvent } from '@jora/lora'
import { writeFileAtomic } from '@jora/tensor/files'
import { flags, type Command } from '../process/command'
import { configFile, logFile } from './gui-record'
import type { ManagedRun } from './managed-run'
import { configText } from './run-config'
import { startRun, type StartedRun } from './run-process'

/** Starts the run's process, which waits to be let go. @throws Error when it cannot be started */
export async function startProcess(run: ManagedRun, command: Command, cwd: string): Promise<StartedRun> {
  await run.refresh()
  return startRun(command, await argumentsOf(run), run.folder, cwd)
}

async function argumentsOf(run: ManagedRun): Promise<string[]> {
  const { kind, device, settings } = run.record!
  if (kind === 'train') {
    // Anew with each start: what is checked is what is run.
    await writeFileAtomic(join(run.folder, configFile), configText(settings!, run.folder))
    const resume = run.hasMetrics ? 'auto' : undefined
    return ['train', ...flags({ config: join(run.folder, configFile), resume })]
  }
  // A quickstart clears only what it knows to be its own.
  if (run.json === undefined) await rm(join(run.folder, 'raft.jsonl'), { force: true })
  return ['quickstart', ...flags({ 'output-dir': run.folder, device })]
}

/** What the end of the process told; `code` is not known of one that was taken up after a restart. */
export interface ProcessEnd {
  readonly code?: number | null | undefined
  readonly signal?: string | null | undefined
  readonly error?: Error | undefined
}

/** How the run ended: from its exit code where that is known, else from what it wrote. */
export async function endOf(
  run: ManagedRun,
  { code, signal, error }: ProcessEnd,
): Promise<Pick<ControlEvent, 'type' | 'message'>> {
  if (error) return notStarted(error)
  const { kind, logFrom } = run.record!
  const told = await lastError(run.folder, logFrom)
  const { begunAt, startedAt, pending, isTrained } = run.snapshot
  // Its server died before it was let go: nothing of it has happened.
  if (code === undefined && told === undefined && pending === null && begunAt < startedAt) return { type: 'requeue' }
  const isDone = kind === 'train' ? isTrained : await hasFile(run.folder, 'quickstart.json')
  return outcomeOf(run.snapshot, { code, signal, isDone, told, hasCheckpoint: run.hasCheckpoint })
}

export const notStarted = (error: Error): Pick<ControlEvent, 'type' | 'message'> => ({
  type: 'failed',
  message: `It could not be started: ${error.message}`,
})

const hasFile = async (folder: string, name: string): Promise<boolean> =>
  (await stat(join(folder, name)).catch(() => undefined)) !== undefined

const tailBytes = 20_000

/** The error that is last in the log, from byte `from` on. */
async function lastError(folder: string, from: number): Promise<string | undefined> {
  const file = await open(join(folder, logFile), 'r').catch(() => undefined)
  if (!file) return undefined
  try {
    const { size } = await file.stat()
    const begin = Math.max(from, size - tailBytes)
    const bytes = Buffer.alloc(Math.max(0, size - begin))
    const { bytesRead } = await file.read(bytes, 0, bytes.byteLength, begin)
    const lines = bytes.toString('utf8', 0, bytesRead).trimEnd().split('\n')
    return lines
      .slice(-3)
      .findLast((line) => line.startsWith('error: '))
      ?.slice('error: '.length)
  } finally {
    await file.close()
  }
}
