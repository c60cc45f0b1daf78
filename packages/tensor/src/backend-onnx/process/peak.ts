// The most memory that this process had at once.
import { readFileSync } from 'node:fs'

/**
 * The largest resident set of this process so far, in bytes. On Linux getrusage is not asked, whose figure begins at the size of
 * the process that started this one: a small command that a large one runs would be as large as that.
 */
export function peakMemory(): number {
  const status = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : ''
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS
  return Number(kilobytes) * 1024
}
