// The lines of metrics.jsonl as columns, which take a tenth of the lines' room and draw at once.
import { parseLine, readLog } from '@jora/lora'
import type { Metric, MetricsColumns } from '../api'
import { idAt } from './metrics-file'

type Column = (number | null)[]
const numberOf = (value: unknown): number | null => (typeof value === 'number' ? value : null)

const stepKeys = [
  'step',
  'epoch',
  'loss',
  'learningRate',
  'gradNorm',
  'tokens',
  'targetTokens',
  'samples',
  'stepMs',
] as const
const evalKeys = ['step', 'loss', 'perplexity', 'exactMatch'] as const

const columnsFor = <K extends string>(keys: readonly K[]): Record<K, Column> =>
  Object.fromEntries(keys.map((key) => [key, [] as Column])) as Record<K, Column>

/** All of a file's lines from `from` on. */
export async function readColumns(path: string, from: number): Promise<MetricsColumns> {
  const lines = await readLog(path)
  return columnsOf(lines, parseLine<Metric[]>(`[${lines.join()}]`)!, from)
}

function columnsOf(lines: readonly string[], metrics: readonly Metric[], from: number): MetricsColumns {
  const [steps, evals] = [columnsFor(stepKeys), columnsFor(evalKeys)]
  const deviceBytes: Column[] = []
  const columns: MetricsColumns = {
    from,
    next: idAt(lines, lines.length),
    steps: { ...steps, deviceBytes },
    evals,
    checkpoints: [],
  }
  for (const metric of metrics.slice(from)) {
    if (metric.type === 'step') {
      for (const key of stepKeys) steps[key].push(numberOf(metric[key]))
      const bytes = Array.isArray(metric.deviceBytes) ? metric.deviceBytes : []
      while (deviceBytes.length < bytes.length) deviceBytes.push(Array(steps.step.length - 1).fill(null) as Column)
      deviceBytes.forEach((column, device) => column.push(numberOf(bytes[device])))
    } else if (metric.type === 'eval') for (const key of evalKeys) evals[key].push(numberOf(metric[key]))
    else if (metric.type === 'checkpoint') columns.checkpoints.push({ step: metric.step, path: String(metric.path) })
    else if (metric.type === 'done')
      columns.done = { steps: metric.steps, seconds: metric.seconds, peakDeviceBytes: metric.peakDeviceBytes ?? [] }
    else if (metric.type === 'error') columns.error = String(metric.message)
  }
  return columns
}
