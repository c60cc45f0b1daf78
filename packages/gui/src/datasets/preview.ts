// A sample as the model is trained on it: what `jora data preview --json` says, token by token.
import { z } from 'zod'
import { previewSchema, tokenKinds, type Preview, type RunSettings } from '../api'
import { flags, settingFlags, type Commands } from '../process/command'
import { byName, Failure } from '../server/failure'

const { statistics, packing, plan } = previewSchema.shape

/** What the command prints. */
const printedSchema = z.looseObject({
  index: z.number(),
  row: z.number(),
  tokens: z.array(z.string()),
  ids: z.array(z.number()),
  learned: z.array(z.boolean()),
  parts: z.array(z.enum(tokenKinds)),
  branches: z.array(z.looseObject({ start: z.number() })).optional(),
  packing,
  statistics,
  lengths: z.looseObject({
    shortest: z.number(),
    median: z.number(),
    longest: z.number(),
    histogram: z.array(z.looseObject({ count: z.number() })),
  }),
  plan: plan.extend({ cpuSeconds: z.number().optional() }),
})
export type PrintedPreview = z.infer<typeof printedSchema>

/** Settings that decide what a preview shows. */
const shown = [
  'columns',
  'promptTemplate',
  'contextTemplate',
  'maxSeqLength',
  'onOverflow',
  'packing',
  'split',
  'numEpochs',
  'maxSteps',
  'batchSize',
  'gradientAccumulationSteps',
  'shuffle',
  'lengthCurriculum',
  'seed',
] as const satisfies readonly (keyof RunSettings)[]

export interface PreviewOptions {
  readonly cwd: string
  readonly signal: AbortSignal
  readonly index?: number | undefined
  /** Measure this machine, for the time that training takes. */
  readonly measure?: boolean
}

/** @throws Failure with the command's own error: the row, the key, what came and what was expected */
export async function readPreview(
  commands: Commands,
  settings: RunSettings,
  modelDir: string,
  { cwd, signal, index = 0, measure = false }: PreviewOptions,
): Promise<PrintedPreview> {
  const given = [
    ...flags({ model: modelDir, dataset: settings.dataset, index, 'no-estimate-time': measure ? undefined : true }),
    ...settingFlags(settings, shown),
  ]
  try {
    return await commands.json(['data', 'preview', ...given], printedSchema, { cwd, signal })
  } catch (error) {
    // What is wrong with rows is nobody's failure but the file's.
    if (error instanceof Failure && error.code === 'failed')
      throw new Failure('bad_request', byName(error.message, [settings.dataset, modelDir]))
    throw error
  }
}

export function asPreview({ tokens, ids, learned, parts, branches = [], ...printed }: PrintedPreview): Preview {
  const branchOf = (t: number) => branches.findLastIndex(({ start }) => t >= start)
  const { index, row, packing: packed, statistics: figures, lengths, plan: steps } = printed
  return {
    index,
    row,
    tokens: tokens.map((text, t) => ({
      id: ids[t]!,
      text,
      learned: learned[t]!,
      kind: parts[t]!,
      ...(branchOf(t) < 0 ? {} : { branch: branchOf(t) }),
    })),
    packing: packed,
    statistics: figures,
    lengths: { ...lengths, histogram: lengths.histogram.map(({ count }) => count) },
    plan: { stepsPerEpoch: steps.stepsPerEpoch, steps: steps.steps },
  }
}
