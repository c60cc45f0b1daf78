// What the last lines of metrics.jsonl say: how far a run is, how fast, and how it ended.
import { open } from 'node:fs/promises'
import type { Metric } from '../api'

const tailBytes = 64 * 1024
/** Steps that the speed is taken from. */
const speedSteps = 20

export interface Tail {
  readonly modifiedMs: number
  readonly step: number
  readonly epoch: number | null
  readonly loss: number | null
  readonly evalLoss: number | null
  readonly tokensPerSecond: number | null
  readonly stepMs: number | null
  /** Of the last line. */
  readonly last: Metric['type'] | undefined
  readonly done: boolean
  readonly error: string | null
}

/** Undefined when there is no file. */
export async function readTail(path: string): Promise<Tail | undefined> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return undefined
  try {
    const { size, mtimeMs } = await file.stat()
    const from = Math.max(0, size - tailBytes)
    const bytes = Buffer.alloc(size - from)
    await file.read(bytes, 0, bytes.byteLength, from)
    const lines = bytes
      .toString('utf8')
      .split('\n')
      .slice(from > 0 ? 1 : 0)
    return { modifiedMs: mtimeMs, ...tailOf(lines) }
  } finally {
    await file.close()
  }
}

function tailOf(lines: readonly string[]): Omit<Tail, 'modifiedMs'> {
  const metrics = lines.flatMap((line): Metric[] => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Metric]
    } catch {
      return []
    }
  })
  const steps = metrics.flatMap((metric) => (metric.type === 'step' ? [metric] : []))
  const step = steps.at(-1)
  const evaluated = metrics.findLast((metric) => metric.type === 'eval')
  const last = metrics.at(-1)
  // The first step of a program compiles it.
  const recent = steps.slice(-speedSteps).filter((_, i, all) => i > 0 || all.length === 1)
  const milliseconds = recent.reduce((n, { stepMs }) => n + stepMs, 0)
  const tokens = recent.reduce((n, metric) => n + metric.tokens, 0)
  const failed = metrics.findLast((metric) => metric.type === 'error')
  return {
    step: step?.step ?? (last?.type === 'done' ? last.steps : 0),
    epoch: step?.epoch ?? null,
    loss: step?.loss ?? null,
    evalLoss: evaluated?.loss ?? null,
    tokensPerSecond: milliseconds > 0 ? (1000 * tokens) / milliseconds : null,
    stepMs: recent.length > 0 ? milliseconds / recent.length : null,
    last: last?.type,
    done: metrics.some(({ type }) => type === 'done'),
    error: failed ? String(failed.message) : null,
  }
}
