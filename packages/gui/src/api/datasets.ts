// Files under the roots, uploads, and what a dataset's rows become.
import { z } from './zod'
import { lineSchema, pathSchema, settingsSchema } from './settings'

/** A file or folder, as the file browser lists it. */
export const fileEntrySchema = z.object({
  name: z.string(),
  path: z.string(),
  kind: z.enum(['folder', 'file']),
  bytes: z.number(),
  modifiedAt: z.string(),
  /** What it can be used as, by its name and, for folders, its files. */
  /** What it can be used as, told from its name and what is in it. */
  use: z.enum(['model', 'adapter', 'run', 'dataset']).nullable(),
})
/** An entry that {@link fileEntrySchema} describes. */
export type FileEntry = z.infer<typeof fileEntrySchema>
/** Answer of `GET /api/files`: a folder and its entries, or the roots. */
export const filesSchema = z.object({
  /** Null: the list of roots. */
  path: z.string().nullable(),
  /** Null where one goes back to the list of roots. */
  parent: z.string().nullable(),
  entries: z.array(fileEntrySchema),
  /** Entries there were beyond the first 2,000. */
  leftOut: z.number(),
})
/** An answer that {@link filesSchema} describes. */
export type Files = z.infer<typeof filesSchema>

/** Answer of `POST /api/datasets`: where the uploaded file is. */
export const uploadSchema = z.object({ path: z.string(), name: z.string(), bytes: z.number() })
/** An answer that {@link uploadSchema} describes. */
export type Upload = z.infer<typeof uploadSchema>

/** Formats of rows that an inspection distinguishes. */
export const datasetFormats = ['alpaca', 'completion', 'chat', 'sharegpt', 'raft', 'tokens'] as const
/** A name of {@link datasetFormats}. */
export type DatasetFormat = (typeof datasetFormats)[number]

/** Body of `POST /api/datasets/inspect`: the file, how many of its first rows to return, and how they are read. */
export const inspectRequestSchema = z.strictObject({
  dataset: pathSchema,
  rows: z.number().int().min(0).max(100).optional(),
  /** Which columns hold question, answer and context, as `--columns` has it; rows are held against those alone. */
  columns: lineSchema(2000).optional(),
})
/**
 * Answer of `POST /api/datasets/inspect`: a file's format, its first rows, and every row that cannot be used. It needs
 * no model.
 */
export const inspectionSchema = z.object({
  path: z.string(),
  bytes: z.number(),
  /** Null when no row is of a known format. */
  format: z.enum(datasetFormats).nullable(),
  /** The formats of the rows, where there are several. */
  formats: z.array(z.enum(datasetFormats)),
  layout: z.enum(['array', 'lines', 'table']),
  rows: z.number(),
  /** The first rows as they are. */
  first: z.array(z.unknown()),
  /** The keys of the first rows, or columns of a table, with values of theirs; `a.b` is inside of `a`. */
  columns: z.array(z.object({ name: z.string(), examples: z.array(z.string()) })),
  /** The first 100. */
  errors: z.array(
    z.object({
      row: z.number().nullable(),
      line: z.number().nullable(),
      key: z.string().nullable(),
      message: z.string(),
    }),
  ),
  errorCount: z.number(),
  /** What to do about a file that cannot be used. */
  hint: z.string().nullable(),
})
/** An answer that {@link inspectionSchema} describes. */
export type Inspection = z.infer<typeof inspectionSchema>

/** Body of `POST /api/datasets/preview`. */
export const previewRequestSchema = z.strictObject({
  settings: settingsSchema,
  /** Which sample, from 0. */
  index: z.number().int().min(0).optional(),
})
/**
 * What a token of a sample belongs to. `end` is a learned EOS; `prompt` is what is not learned in a row without a
 * context.
 */
export const tokenKinds = ['context', 'question', 'prompt', 'answer', 'end'] as const
/** A name of {@link tokenKinds}. */
export type TokenKind = (typeof tokenKinds)[number]

const statistics = z.object({
  samples: z.number(),
  contexts: z.number(),
  tokens: z.number(),
  separateTokens: z.number(),
  targetTokens: z.number(),
  dropped: z.number(),
  truncated: z.number(),
})
/** Answer of `POST /api/datasets/preview`: a sample as the model is trained on it, and statistics of the whole file. */
export const previewSchema = z.object({
  index: z.number(),
  /** In the file, from 1. */
  row: z.number(),
  /** `text` of all tokens makes the sample's; `branch` is the question of a shared context, from 0. */
  tokens: z.array(
    z.object({
      id: z.number(),
      text: z.string(),
      learned: z.boolean(),
      kind: z.enum(tokenKinds),
      branch: z.number().optional(),
    }),
  ),
  packing: z.enum(['none', 'tree']),
  statistics: statistics.extend({ train: statistics, heldOut: statistics }),
  lengths: z.object({
    shortest: z.number(),
    median: z.number(),
    longest: z.number(),
    /** Samples in each of some bins of equal width, from shortest to longest. */
    histogram: z.array(z.number()),
  }),
  plan: z.object({ stepsPerEpoch: z.number(), steps: z.number() }),
})
/** An answer that {@link previewSchema} describes. */
export type Preview = z.infer<typeof previewSchema>
