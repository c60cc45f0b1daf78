// Jobs: what takes a while and is no run: downloads from the Hub, exports, pushes, stages of a project.
import { z } from './zod'
import { lineSchema, pathSchema } from './settings'

/** A job: a download from the Hub, an export, a push, an evaluation, or a stage of a project. It runs on after the request that started it. */
export const jobSchema = z.object({
  id: z.string(),
  kind: z.enum(['download', 'export', 'push', 'learn', 'eval']),
  title: z.string(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  /** Of the run it is about; null for downloads. */
  runId: z.string().nullable(),
  /** Of the project it is a stage of. */
  projectId: z.string().nullable().optional(),
  progress: z.object({ done: z.number(), total: z.number().nullable(), text: z.string() }).nullable(),
  /** Why it failed. */
  message: z.string().nullable(),
  /** `download`: `{ref}`; `export`: `{path, file}` (`file` for downloads of the run); `push`: `{url}`, …; `eval`: scores, and `file` with all answers */
  result: z.record(z.string(), z.unknown()).nullable(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
})
/** A job that {@link jobSchema} describes. */
export type Job = z.infer<typeof jobSchema>
/** Answer of `GET /api/jobs`. */
export const jobsSchema = z.object({ jobs: z.array(jobSchema) })

/** Body of `POST /api/runs/:id/export`. */
export const exportSchema = z
  .strictObject({
    format: z.enum(['hf', 'peft', 'gguf', 'gguf-lora']),
    /** hf: as stored, f32, f16, bf16; gguf: any; gguf-lora: f32, f16, bf16; peft: none. */
    dtype: z.enum(['f32', 'f16', 'bf16', 'q8_0', 'q6_k', 'q5_k_m', 'q4_k_m', 'q4_0']).optional(),
  })
  .refine(({ format, dtype }) => dtype === undefined || format !== 'peft', {
    path: ['dtype'],
    message: 'a PEFT adapter is float32 always',
  })
  .refine(({ format, dtype }) => !dtype?.startsWith('q') || format === 'gguf', {
    path: ['dtype'],
    message: 'quantised types are for GGUF models',
  })
/** A body that {@link exportSchema} accepts. */
export type ExportRequest = z.infer<typeof exportSchema>

/** Body of `POST /api/runs/:id/eval`. */
export const evalSchema = z.strictObject({
  /** A file of rows under the roots. Of one that carries its own splits the held-out rows are asked. */
  dataset: pathSchema,
  /** Which columns hold question, answer and context, where they are called otherwise. */
  columns: z
    .string()
    .regex(/^\s*\w+\s*=[^,=]+(,\s*\w+\s*=[^,=]+)*$/, 'expected question=Q,answer=A and perhaps context=C')
    .max(500)
    .optional(),
  /** Only the first questions. */
  limit: z.number().int().min(1).max(1_000_000).optional(),
})
/** A body that {@link evalSchema} accepts. */
export type EvalRequest = z.infer<typeof evalSchema>

/** Body of `POST /api/runs/:id/push`. */
export const pushSchema = z.strictObject({
  /** `USER/NAME`. */
  repoId: z
    .string()
    .regex(/^[\w][\w.-]{0,95}\/[\w][\w.-]{0,95}$/, 'expected USER/NAME, of letters, digits, "-", "_" and "."'),
  /** The adapter (absent), or an export in the run's folder, as a job's `result.file` names it. */
  file: lineSchema(1000).optional(),
  /** Handed to the push and kept nowhere; absent: that of HF_TOKEN or `hf auth login`. */
  token: z
    .string()
    .regex(/^[\x21-\x7e]{1,500}$/, 'expected an access token')
    .optional(),
  public: z.boolean().optional(),
  commitMessage: lineSchema(200).optional(),
  /** Tells what would be pushed, and changes nothing. */
  dryRun: z.boolean().optional(),
})
/** A body that {@link pushSchema} accepts. */
export type PushRequest = z.infer<typeof pushSchema>
