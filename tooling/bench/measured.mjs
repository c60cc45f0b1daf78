// A program run to its end: what it says on its last line, how long it took, and the memory and processor time of all its processes.
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** Processes by their parent. @returns {Map<number, number[]>} */
function childrenOf() {
  /** @type {Map<number, number[]>} */
  const children = new Map()
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const parent = Number(readFileSync(`/proc/${entry}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[1])
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)])
    } catch {} // it ended meanwhile
  }
  return children
}

/** Ticks of /proc are hundredths of a second on every Linux that Node runs on. */
const ticksPerSecond = 100

/**
 * Megabytes of a process and of all it started, each shared page counted in parts (PSS), and the processor time they took so far.
 * Both are 0 where there is no /proc.
 * @param {number} root
 */
export function usageOf(root) {
  let [kilobytes, ticks] = [0, 0]
  try {
    const children = childrenOf()
    const open = [root]
    for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
      open.push(...(children.get(pid) ?? []))
      try {
        kilobytes += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0)
        const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
        // utime, stime, and those of children that ended.
        ticks += [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i] ?? 0), 0)
      } catch {}
    }
  } catch {}
  return { pssMb: kilobytes / 1024, cpuSeconds: ticks / ticksPerSecond }
}

/**
 * The JSON of the last line, the most memory the processes had together, and their times. What the program says on stderr is shown.
 * @param {string} program @param {string[]} args
 * @param {{ onStart?: (pid: number) => void }} [options]
 * @returns {Promise<Record<string, any> & { peakPssMb: number, wallSeconds: number, cpuSeconds: number }>}
 */
export function measure(program, args, { onStart } = {}) {
  return new Promise((done, fail) => {
    const env = { ...process.env, TQDM_DISABLE: '1' }
    const begun = performance.now()
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env })
    const { pid } = child
    if (pid !== undefined) onStart?.(pid)
    let [text, peakPssMb, cpuSeconds] = ['', 0, 0]
    /** @type {NodeJS.Timeout} */
    let poll
    // The kernel walks all pages for a look, and holds up whoever maps some: a fiftieth of the time is for looking.
    const look = () => {
      if (pid === undefined) return
      const from = performance.now()
      const usage = usageOf(pid)
      peakPssMb = Math.max(peakPssMb, usage.pssMb)
      cpuSeconds = Math.max(cpuSeconds, usage.cpuSeconds)
      poll = setTimeout(look, Math.max(500, 50 * (performance.now() - from)))
    }
    look()
    child.stdout.on('data', (/** @type {Buffer} */ chunk) => (text += chunk.toString()))
    child.on('error', (error) => {
      clearTimeout(poll)
      fail(error)
    })
    child.on('close', (code, signal) => {
      clearTimeout(poll)
      if (code !== 0) return fail(new Error(`${program} ${args.join(' ')} ended with ${code ?? signal}`))
      const wallSeconds = (performance.now() - begun) / 1000
      const said = JSON.parse(text.trim().split('\n').at(-1) ?? '')
      done({ ...said, peakPssMb, wallSeconds, cpuSeconds })
    })
  })
}
