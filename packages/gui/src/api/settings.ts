// Settings of a training run: the flags of `jora train` in camel case, with the same ranges.
import { z } from './zod'

const atLeast = (least: number) =>
  z.number().int(`expected an integer ≥ ${least}`).min(least, `expected an integer ≥ ${least}`)
const above0 = z.number().positive('expected a number > 0')
const from0 = z.number().nonnegative('expected a number ≥ 0')
const share = z.number().min(0, 'expected a number from 0 to below 1').lt(1, 'expected a number from 0 to below 1')
const meshText = /^(?:data=[1-9]\d*(?:,model=[1-9]\d*)?|model=[1-9]\d*(?:,data=[1-9]\d*)?)$/

/** A path or a name: no control characters, so that it stays one line wherever it is shown. */
const line = (longest: number) =>
  z
    .string()
    .min(1, 'expected some text')
    .max(longest, `expected at most ${longest} characters`)
    .regex(/^\P{Cc}*$/u, 'expected text without control characters')

/** Absolute path of a file or folder under one of the roots. */
export const pathSchema = line(4096)

/** A model: the absolute path of its folder, or a Hub id. `ModelInfo.ref` is one. */
export const modelRefSchema = line(4096)

/** Only `model` and `dataset` must be given; what is absent takes the command's default (`Session.defaults`). */
export const settingsSchema = z.strictObject({
  model: modelRefSchema,
  dataset: pathSchema,

  promptTemplate: z.enum(['auto', 'alpaca', 'raft', 'chat', 'none']).optional(),
  /** How the documents of a context are written. */
  contextTemplate: z.enum(['auto', 'document', 'plain']).optional(),
  maxSeqLength: atLeast(2).optional(),
  onOverflow: z.enum(['error', 'drop', 'truncate']).optional(),
  packing: z.enum(['auto', 'none', 'tree']).optional(),
  split: above0.max(1, 'expected a number over 0 and up to 1').optional(),
  alpacaMix: share.optional(),
  alpacaMixFile: pathSchema.optional(),

  loraR: atLeast(1).optional(),
  loraAlpha: above0.optional(),
  loraDropout: share.optional(),
  /** Names, or `['all-linear']`. */
  targetModules: z
    .array(z.string().regex(/^[\w.*-]+$/, 'expected the name of a module'))
    .min(1)
    .optional(),
  useRslora: z.boolean().optional(),
  initAdapter: pathSchema.optional(),

  learningRate: above0.optional(),
  lrScheduler: z.enum(['cosine', 'linear', 'constant']).optional(),
  warmupSteps: atLeast(0).optional(),
  warmupRatio: share.optional(),
  weightDecay: from0.optional(),
  adamBeta1: share.optional(),
  adamBeta2: share.optional(),
  adamEpsilon: above0.optional(),
  maxGradNorm: from0.optional(),

  numEpochs: atLeast(1).optional(),
  maxSteps: atLeast(1).optional(),
  batchSize: atLeast(1).optional(),
  gradientAccumulationSteps: atLeast(1).optional(),
  shuffle: z.boolean().optional(),
  seed: atLeast(0).optional(),

  evalEvery: atLeast(1).optional(),
  saveEvery: atLeast(1).optional(),
  device: z.enum(['auto', 'cpu', 'webgpu']).optional(),
  /** Part of the name of a GPU. */
  gpu: line(200).optional(),
  /** Such as `12GB`. */
  deviceMemory: z
    .string()
    .regex(/^(?=.*[1-9])(\d+\.?\d*|\.\d+) ?([kmgt]?b|[kmgt]ib)?$/i, 'expected a size such as 12GB, 8GiB or 500MB')
    .optional(),
  dtype: z.enum(['auto', 'f32', 'f16']).optional(),
  gradientCheckpointing: z.enum(['auto', 'on', 'off']).optional(),
  /** Such as `data=1,model=2`. */
  mesh: z.string().regex(meshText, 'expected data=N,model=N, either may be left out').optional(),
})
export type RunSettings = z.infer<typeof settingsSchema>
/** Settings without what is chosen anew for each run. */
export type SettingsDefaults = Omit<RunSettings, 'model' | 'dataset'>

export { line as lineSchema }
