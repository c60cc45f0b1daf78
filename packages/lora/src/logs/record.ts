// What a run's folder tells of its course: settings, steps, evaluations, state.
import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { ConfigError } from '../settings/config-error'
import type { EvalEvent, StepEvent, TrainEvent } from '../runs/events'
import { parseLine } from '../runs/lines'
import { metricsFile, readLog } from '../runs/log'
import { fold, newRun, type RunSnapshot } from '../runs/state'

/** A run as it is on disk. */
export interface RunRecord {
  /** The folder's name. */
  readonly name: string
  readonly folder: string
  /** Settings of run.json; empty where there are none. */
  readonly settings: Readonly<Record<string, unknown>>
  /** When it was started last, in milliseconds since 1970; undefined where run.json does not say. */
  readonly startedAt: number | undefined
  readonly totalSteps: number | undefined
  readonly steps: readonly StepEvent[]
  readonly evals: readonly EvalEvent[]
  /** What its events come to. */
  readonly snapshot: RunSnapshot
}

/** Reads a run's folder, of a run that goes on too. @throws ConfigError where there is no run */
export async function readRun(folder: string): Promise<RunRecord> {
  const lines = await readLog(join(folder, metricsFile))
  const text = await readFile(join(folder, 'run.json'), 'utf8').catch(() => undefined)
  if (text === undefined && lines.length === 0)
    throw new ConfigError(`${folder} holds no run: run.json and ${metricsFile} are missing`)
  const run = parseLine<Readonly<Record<string, unknown>>>(text ?? '{}') ?? {}
  const events = lines.map((line) => parseLine<TrainEvent>(line)!)
  const startedAt = typeof run.startedAt === 'string' ? Date.parse(run.startedAt) : undefined
  const totalSteps = typeof run.totalSteps === 'number' ? run.totalSteps : undefined
  const begun = fold(newRun, { type: 'begin', at: startedAt ?? 0, totalSteps: totalSteps ?? null })
  return {
    name: basename(resolve(folder)),
    folder,
    settings: (run.settings ?? {}) as Readonly<Record<string, unknown>>,
    startedAt: Number.isFinite(startedAt) ? startedAt : undefined,
    totalSteps,
    steps: events.filter((event): event is StepEvent => event.type === 'step'),
    evals: events.filter((event): event is EvalEvent => event.type === 'eval'),
    snapshot: events.reduce(fold, begun),
  }
}

/** What is measured, by name, each with its values at steps: losses, rates, scores. Values that are not finite are left out. */
export function seriesOf({ steps, evals }: Pick<RunRecord, 'steps' | 'evals'>): ReadonlyMap<string, readonly Point[]> {
  const series = new Map<string, Point[]>()
  const take = (name: string, step: number, value: unknown) => {
    if (typeof value !== 'number' || !Number.isFinite(value)) return
    const points = series.get(name) ?? []
    points.push({ step, value })
    series.set(name, points)
  }
  for (const { step, loss, learningRate, gradNorm, tokens, stepMs } of steps) {
    take('train/loss', step, loss)
    take('train/learning_rate', step, learningRate)
    take('train/grad_norm', step, gradNorm)
    take('train/tokens_per_second', step, (1000 * tokens) / stepMs)
  }
  for (const { type: _type, step, ...values } of evals)
    for (const [name, value] of Object.entries(values))
      take(`eval/${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`, step, value)
  return series
}

/** A value at a step. */
export interface Point {
  readonly step: number
  readonly value: number
}
