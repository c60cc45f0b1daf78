// The process of a run: it has a session of its own, so that it outlives the server, and a file for what it says.
import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { markOf, type ProcessMark } from '../process/alive'
import { childEnv, type Command } from '../process/command'
import { logFile } from './gui-record'

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants

const gateName = 'JORA_GUI_GATE'

/**
 * Runs in the child before anything else: it waits for one byte, and ends where the server is gone before it sends that. A
 * server killed between starting a process and noting which it is would leave one that nobody knows of.
 */
const gate = `
import { readSync } from 'node:fs'
if (process.env.${gateName}) {
  delete process.env.${gateName}
  let bytes = 0
  try { bytes = readSync(0, Buffer.alloc(1)) } catch {}
  if (bytes === 0) process.exit(130)
}`

export interface StartedRun {
  readonly mark: ProcessMark | undefined
  /** Bytes of the log before it. */
  readonly logFrom: number
  /** How it ended, if this server is still there to be told. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal?: string | null; readonly error?: Error }>
  /** Lets it begin, once its mark is kept. */
  go(): void
  /** Ends it before it has begun. */
  cancel(): void
}

/** @throws Error when the log cannot be written or the program not be started */
export async function startRun(
  [program, ...first]: Command,
  args: readonly string[],
  folder: string,
  cwd: string,
): Promise<StartedRun> {
  // A link would be followed out of the folder.
  const log = await open(join(folder, logFile), O_APPEND | O_CREAT | O_WRONLY | (O_NOFOLLOW ?? 0))
  try {
    const { size: logFrom } = await log.stat()
    // Node's own flag: another program begins at once.
    const isGated = program === process.execPath
    const before = isGated ? ['--import', `data:text/javascript,${encodeURIComponent(gate)}`] : []
    const child: ChildProcess = spawn(program, [...before, ...first, ...args], {
      cwd,
      env: childEnv(isGated ? { [gateName]: '1' } : {}),
      detached: true,
      stdio: [isGated ? 'pipe' : 'ignore', log.fd, log.fd],
      windowsHide: true,
    })
    const ended = new Promise<{ code: number | null; signal?: string | null; error?: Error }>((resolve) => {
      child.on('error', (error) => resolve({ code: null, error }))
      child.on('exit', (code, signal) => resolve({ code, signal }))
    })
    child.stdin?.on('error', () => {}) // it has ended
    child.unref()
    const mark = child.pid === undefined ? undefined : await markOf(child.pid)
    return {
      mark,
      logFrom,
      ended,
      go: () => child.stdin?.end('\n'),
      cancel: () => {
        if (child.stdin) child.stdin.end()
        else if (mark) kill(mark)
      },
    }
  } finally {
    await log.close()
  }
}

/** Ctrl-C for one process. @returns whether there was one */
export function interrupt({ pid }: ProcessMark): boolean {
  try {
    return process.kill(pid, 'SIGINT')
  } catch {
    return false
  }
}

/** Ends the process and all that it started. */
export function kill({ pid }: ProcessMark): void {
  for (const target of process.platform === 'win32' ? [pid] : [-pid, pid])
    try {
      process.kill(target, 'SIGKILL')
    } catch {
      // It has ended.
    }
}
