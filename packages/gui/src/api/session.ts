// What a page must know before it shows anything; and the stream of what changes.
import { z } from './zod'
import { jobSchema } from './jobs'
import { runSchema } from './runs'
import { settingsSchema } from './settings'

/** Answer of `GET /api/session`: what a page must know before it shows anything. */
export const sessionSchema = z.object({
  version: z.string(),
  platform: z.string(),
  /** Folders that may be browsed; runs are made in the first. */
  roots: z.array(z.object({ path: z.string(), name: z.string() })),
  /** Where new runs are made unless `CreateRun.folder` says otherwise. */
  runsFolder: z.string(),
  hub: z.object({ endpoint: z.string(), offline: z.boolean(), hasToken: z.boolean() }),
  /** The model and the datasets that ship with the command. */
  bundled: z.object({
    model: z.string().nullable(),
    datasets: z.array(z.object({ path: z.string(), name: z.string() })),
  }),
  defaults: settingsSchema.omit({ model: true, dataset: true }),
  /** Runs at once. */
  concurrency: z.number(),
  uploadLimitBytes: z.number(),
})
/** An answer that {@link sessionSchema} describes. */
export type Session = z.infer<typeof sessionSchema>

/** Messages of `GET /api/events`, by the name of their SSE event: first everything there is, then each change. */
export const changeEventSchema = z.discriminatedUnion('event', [
  z.object({ event: z.literal('all'), runs: z.array(runSchema), jobs: z.array(jobSchema) }),
  z.object({ event: z.literal('run'), run: runSchema }),
  z.object({ event: z.literal('removed'), id: z.string() }),
  z.object({ event: z.literal('job'), job: jobSchema }),
])
/** A message that {@link changeEventSchema} describes. */
export type ChangeEvent = z.infer<typeof changeEventSchema>
