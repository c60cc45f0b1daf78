// What a run tells: the lines of metrics.jsonl one by one, and in bulk as columns.
import { z } from './zod'

/** A line of metrics.jsonl; further keys pass through. */
export const metricSchema = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('step'),
    step: z.number(),
    epoch: z.number(),
    loss: z.number().nullable(),
    learningRate: z.number(),
    gradNorm: z.number().nullable(),
    tokens: z.number(),
    targetTokens: z.number(),
    samples: z.number(),
    stepMs: z.number(),
    deviceBytes: z.array(z.number()),
  }),
  z.looseObject({
    type: z.literal('eval'),
    step: z.number(),
    loss: z.number().nullable(),
    perplexity: z.number().nullable(),
    exactMatch: z.number().optional(),
  }),
  z.looseObject({ type: z.literal('checkpoint'), step: z.number(), path: z.string() }),
  z.looseObject({
    type: z.literal('done'),
    steps: z.number(),
    seconds: z.number(),
    peakDeviceBytes: z.array(z.number()),
  }),
  z.looseObject({ type: z.literal('error'), message: z.string() }),
])
/** A line that {@link metricSchema} describes. */
export type Metric = z.infer<typeof metricSchema>

const column = z.array(z.number().nullable())

/** Answer of `GET /api/runs/:id/metrics`: all of metrics.jsonl from a position on, as columns of equal length. */
export const metricsColumnsSchema = z.object({
  /** Lines of metrics.jsonl before these. */
  from: z.number(),
  /** Where an event stream goes on from these: give it as `from`. */
  next: z.string(),
  steps: z.object({
    step: column,
    epoch: column,
    loss: column,
    learningRate: column,
    gradNorm: column,
    tokens: column,
    targetTokens: column,
    samples: column,
    stepMs: column,
    /** One column a device. */
    deviceBytes: z.array(column),
  }),
  evals: z.object({ step: column, loss: column, perplexity: column, exactMatch: column }),
  checkpoints: z.array(z.object({ step: z.number(), path: z.string() })),
  done: z.object({ steps: z.number(), seconds: z.number(), peakDeviceBytes: z.array(z.number()) }).optional(),
  error: z.string().optional(),
})
/** An answer that {@link metricsColumnsSchema} describes. */
export type MetricsColumns = z.infer<typeof metricsColumnsSchema>
