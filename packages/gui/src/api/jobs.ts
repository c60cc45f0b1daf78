// Jobs: what takes a while and is no run: downloads from the Hub, exports, pushes.
import { z } from './zod'
import { lineSchema } from './settings'

export const jobSchema = z.object({
  id: z.string(),
  kind: z.enum(['download', 'export', 'push']),
  title: z.string(),
  state: z.enum(['running', 'done', 'failed', 'cancelled']),
  /** Of the run it is about; null for downloads. */
  runId: z.string().nullable(),
  progress: z.object({ done: z.number(), total: z.number().nullable(), text: z.string() }).nullable(),
  /** Why it failed. */
  message: z.string().nullable(),
  /** `download`: `{ref}`; `export`: `{path, file}` (`file` for downloads of the run); `push`: `{url}`, … */
  result: z.record(z.string(), z.unknown()).nullable(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
})
export type Job = z.infer<typeof jobSchema>
export const jobsSchema = z.object({ jobs: z.array(jobSchema) })

export const exportSchema = z
  .strictObject({
    format: z.enum(['hf', 'peft', 'gguf', 'gguf-lora']),
    /** hf: as stored, f32, f16, bf16; gguf: any; gguf-lora: f32, f16, bf16; peft: none. */
    dtype: z.enum(['f32', 'f16', 'bf16', 'q8_0', 'q4_0']).optional(),
  })
  .refine(({ format, dtype }) => dtype === undefined || format !== 'peft', {
    path: ['dtype'],
    message: 'a PEFT adapter is float32 always',
  })
  .refine(({ format, dtype }) => !(dtype === 'q8_0' || dtype === 'q4_0') || format === 'gguf', {
    path: ['dtype'],
    message: 'q8_0 and q4_0 are for GGUF models',
  })
export type ExportRequest = z.infer<typeof exportSchema>

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
export type PushRequest = z.infer<typeof pushSchema>
