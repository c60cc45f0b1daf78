// Whether a process is still the one it was: its id, and when it started.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** When the process of this id started, in the system's own words; undefined when there is none. */
export async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    // The name, in parentheses, may hold spaces. A zombie has ended.
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
    return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  }
  try {
    if (process.platform === 'win32') {
      const script = `(Get-Process -Id ${pid}).StartTime.ToFileTimeUtc()`
      return (await run('powershell', ['-NoProfile', '-Command', script])).stdout.trim() || undefined
    }
    return (await run('ps', ['-o', 'lstart=', '-p', String(pid)])).stdout.trim() || undefined
  } catch {
    return undefined
  }
}

export interface ProcessMark {
  readonly pid: number
  /** See {@link startOf}. */
  readonly start: string
}

export const isAlive = async ({ pid, start }: ProcessMark): Promise<boolean> => (await startOf(pid)) === start

export async function markOf(pid: number): Promise<ProcessMark | undefined> {
  const start = await startOf(pid)
  return start === undefined ? undefined : { pid, start }
}
