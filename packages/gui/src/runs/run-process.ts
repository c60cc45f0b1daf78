// The process of a run: it has a session of its own, so that it outlives the server, and a file for what it says.
import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { markOf, type ProcessMark } from '../process/alive'
import { childEnv, type Command } from '../process/command'
import { logFile } from './gui-record'

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants

export interface StartedRun {
  readonly mark: ProcessMark | undefined
  /** How it ended, if this server is still there to be told. */
  readonly ended: Promise<{ readonly code: number | null; readonly error?: Error }>
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
    const child = spawn(program, [...first, ...args], {
      cwd,
      env: childEnv(),
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      windowsHide: true,
    })
    const ended = new Promise<{ code: number | null; error?: Error }>((resolve) => {
      child.on('error', (error) => resolve({ code: null, error }))
      child.on('exit', (code) => resolve({ code }))
    })
    child.unref()
    const mark = child.pid === undefined ? undefined : await markOf(child.pid)
    return { mark, ended }
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
