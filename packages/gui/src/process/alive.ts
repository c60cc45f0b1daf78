// Whether a process is still the one it was: its id, and when it started.
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** When the process of this id started, in the system's own words; undefined when there is none. */
export async function startOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
    // The name, in parentheses, may hold spaces.
    const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
    if (fields === undefined) return undefined
    // A zombie has ended, unless other threads of it have not: one that writes to a slow disk ends once it has written.
    const [state = '', threads, started] = [fields[0], Number(fields[17]), fields[19]]
    return 'ZX'.includes(state) && threads < 2 ? undefined : started
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
