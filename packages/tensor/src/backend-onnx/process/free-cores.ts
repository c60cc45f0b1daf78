// Whether the cores of this machine are free of other processes.
import { cpus, loadavg } from 'node:os'

/** In ms. The system counts in steps of 10 ms, and reading its counters costs as much as compiling a small program. */
const shortestSpan = 250

/** Counted once: `cpus` reads the counters of all of them, which took 2 % of the time of training on a mesh. */
const cores = cpus().length

/** What the cores have done until a moment. */
export interface CoreTimes {
  /** When, in ms. */
  readonly at: number
  /** What all cores have worked since the machine's start, in ms. */
  readonly busy: number
  /** What this process has worked, in ms. */
  readonly own: number
}

const read = (): CoreTimes => {
  let busy = 0
  for (const { times } of cpus()) busy += times.user + times.nice + times.sys + times.irq
  const { user, system } = process.cpuUsage()
  return { at: performance.now(), busy, own: (user + system) / 1000 }
}

/** How many cores were kept busy between two readings by others than this process. */
export const othersBusy = (from: CoreTimes, to: CoreTimes): number =>
  Math.max(0, to.busy - from.busy - (to.own - from.own)) / (to.at - from.at)

let last = read()
/** By the last two readings that were far enough apart. */
let others: number | undefined

/**
 * Whether so many threads have cores of their own beside other processes. Threads that wait awake on cores that others
 * need slow down both; where the cores are free, waking sleeping threads costs a fifth of a small model's step.
 *
 * What this process has done itself counts for nothing, so that the last run of a series is as fast as its first, which
 * a load average would not give.
 */
export const areCoresFree = (threads: number): boolean => {
  if (performance.now() - last.at >= shortestSpan) {
    const now = read()
    others = othersBusy(last, now)
    last = now
  }
  return (others ?? loadavg()[0]!) + threads <= cores + 0.5
}
