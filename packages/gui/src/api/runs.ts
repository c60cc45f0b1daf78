// Runs: what there is to know of one, and what can be asked of it.
import type { RunState } from '@jora/lora'
import { z } from './zod'
import { metricsColumnsSchema, metricSchema } from './metrics'
import { lineSchema, pathSchema, settingsSchema } from './settings'

/** The states of {@link RunState}, as a list for schemas. */
export const runStates = [
  'queued',
  'starting',
  'running',
  'paused',
  'stopped',
  'failed',
  'done',
] as const satisfies RunState[]
export type { RunState }

/** What can be done to a run. Those that its state does not allow are refused with `conflict`. */
export const runActions = ['pause', 'resume', 'stop', 'remove'] as const
/** A name of {@link runActions}. */
export type RunAction = (typeof runActions)[number]

const optionalNumber = z.number().nullable()

/** Body of `PATCH /api/runs/:id`: what is absent stays; an empty text takes it back. */
export const runLabelSchema = z.strictObject({
  /** What it is called; its folder stays as it is. */
  name: z.union([z.literal(''), lineSchema(80)]).optional(),
  note: z.string().max(5000).optional(),
})
/** A body that {@link runLabelSchema} accepts. */
export type RunLabel = z.infer<typeof runLabelSchema>

/** A run, as lists show it. Null stands for what is not known, or not known yet. */
export const runSchema = z.object({
  /** Of the folder: the same after a restart. */
  id: z.string(),
  name: z.string(),
  folder: z.string(),
  /** `terminal`: started by someone else; it is shown and can be downloaded, exported and talked to. */
  source: z.enum(['gui', 'terminal']),
  kind: z.enum(['train', 'quickstart']),
  state: z.enum(runStates),
  /** What was asked of a running run and is not done yet. */
  pending: z.enum(['pause', 'stop']).nullable(),
  actions: z.array(z.enum(runActions)),
  /** Why it failed, or is as it is. */
  message: z.string().nullable(),
  /** In the queue, from 1. */
  queuePosition: optionalNumber,
  /** ISO dates. */
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  updatedAt: z.string(),
  model: z.string().nullable(),
  dataset: z.string().nullable(),
  device: z.string().nullable(),
  step: z.number(),
  totalSteps: optionalNumber,
  epoch: optionalNumber,
  loss: optionalNumber,
  evalLoss: optionalNumber,
  /** Over the last steps. */
  tokensPerSecond: optionalNumber,
  etaSeconds: optionalNumber,
  /** What is trained: an adapter beside the model, or the model itself. */
  trains: z.enum(['adapter', 'model']),
  /** Whether what was trained is there: it can be downloaded, exported and talked to. */
  hasAdapter: z.boolean(),
  hasCheckpoint: z.boolean(),
  /** What someone noted of it. */
  note: z.string().nullable(),
  /** Whether it can be deleted with its files: it was made here, and is neither running nor waiting. */
  canDelete: z.boolean(),
})
/** A run that {@link runSchema} describes. */
export type Run = z.infer<typeof runSchema>

/** Answer of `GET /api/runs/:id`. */
export const runDetailSchema = z.object({
  run: runSchema,
  /** As asked for here; null for a run of a terminal. */
  settings: settingsSchema.nullable(),
  /** run.json as it is; null until the run has written it. */
  record: z.record(z.string(), z.unknown()).nullable(),
  /** quickstart.json, of a quickstart that is done. */
  quickstart: z.record(z.string(), z.unknown()).nullable(),
  /** Adapter of the newest checkpoint or the finished run; for `ChatRequest.adapter`, null when there is none or the model itself is trained. */
  adapter: z.string().nullable(),
})
/** An answer that {@link runDetailSchema} describes. */
export type RunDetail = z.infer<typeof runDetailSchema>

/** Answer of `GET /api/runs`: the runs under the roots. */
export const runsSchema = z.object({ runs: z.array(runSchema) })

const newRun = {
  /** What it is called; its folder is named after it. Absent: the time. */
  name: lineSchema(80).optional(),
  /** Folder under a root in which the run's own is made; absent: `jora-runs` in the first root. */
  folder: pathSchema.optional(),
}
/** Body of `POST /api/runs`. */
export const createRunSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('train'), ...newRun, settings: settingsSchema }),
  z.strictObject({
    kind: z.literal('quickstart'),
    ...newRun,
    device: z.enum(['auto', 'cpu', 'webgpu']).optional(),
  }),
])
/** A body that {@link createRunSchema} accepts. */
export type CreateRun = z.infer<typeof createRunSchema>

/**
 * Answer of `GET /api/runs/:id/log`: the text from byte `from` to byte `next`; request the next piece with `from:
 * next`.
 */
export const logSchema = z.object({ from: z.number(), next: z.number(), bytes: z.number(), text: z.string() })
/** An answer that {@link logSchema} describes. */
export type LogPiece = z.infer<typeof logSchema>

/** A file in a run's folder. */
export const runFileSchema = z.object({
  /** In the run's folder, `/`-separated. */
  path: z.string(),
  bytes: z.number(),
  modifiedAt: z.string(),
})
/** Answer of `GET /api/runs/:id/files`. */
export const runFilesSchema = z.object({ files: z.array(runFileSchema) })
/** A file that {@link runFileSchema} describes. */
export type RunFile = z.infer<typeof runFileSchema>

/** Answer of `GET /api/compare`. */
export const comparisonSchema = z.object({
  runs: z.array(
    z.object({ run: runSchema, settings: z.record(z.string(), z.unknown()), metrics: metricsColumnsSchema }),
  ),
  /** Settings in which the runs differ, a value for each run. */
  differences: z.array(z.object({ key: z.string(), values: z.array(z.unknown()) })),
})
/** An answer that {@link comparisonSchema} describes. */
export type Comparison = z.infer<typeof comparisonSchema>

/**
 * Messages of `GET /api/runs/:id/events`, by the name of their SSE event. A `metric` has an id, from which the stream
 * can be continued; ids begin with the number of lines read, the rest is opaque.
 */
export const runEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('metric'), position: z.number(), metric: metricSchema }),
  /** Lines from `position` (counted from 0) on are void: the run was resumed from an earlier checkpoint. */
  z.object({ event: z.literal('rewind'), position: z.number() }),
  /** First of all, and whenever something of it changes. */
  z.object({ event: z.literal('run'), run: runSchema }),
  /** The run was removed. The stream ends. */
  z.object({ event: z.literal('removed'), id: z.string() }),
])
/** A message that {@link runEventSchema} describes. */
export type RunEvent = z.infer<typeof runEventSchema>
