// What a run will take: its steps, its memory on each device, its time, and how the model is placed on the mesh.
import { describeModel } from '@jora/llama'
import { JoraConfig, rankNote } from '@jora/lora'
import { fromNames, settings as table } from '@jora/lora/settings'
import { parseMesh } from '@jora/shard'
import { z } from 'zod'
import type { Devices, Estimate, RunSettings } from '../api'
import { readPreview, type PreviewOptions } from '../datasets/preview'
import { flags, settingFlags, type Commands } from '../process/command'
import { meshPicture } from './mesh-picture'
import { modelInfo } from './model-info'

/** What `jora estimate --json` prints of one length. */
const planSchema = z.looseObject({
  estimates: z.array(
    z.looseObject({
      checkpointing: z.boolean(),
      auto: z.boolean(),
      weightBytes: z.number(),
      stateBytes: z.number(),
      activationBytes: z.number(),
      totalBytes: z.number(),
      fits: z.boolean().nullable(),
      stepSeconds: z.number().nullable(),
    }),
  ),
})

export interface EstimateInputs {
  readonly commands: Commands
  readonly devices: Devices
  readonly settings: RunSettings
  readonly modelDir: string
  readonly options: Pick<PreviewOptions, 'cwd' | 'signal'>
}

/** Settings that `jora estimate` takes. */
const estimated = [
  'batchSize',
  'gradientAccumulationSteps',
  'loraR',
  'loraAlpha',
  'targetModules',
  'useRslora',
  'useDora',
  'initLoraWeights',
  'modulesToSave',
  'ensureWeightTying',
  'trainableTokenIndices',
  'finetuningType',
  'trainableLayers',
  'trainableModules',
  'layersToTransform',
  'gpu',
  'deviceMemory',
  'dtype',
  'quantize',
  'gradientCheckpointing',
] as const satisfies readonly (keyof RunSettings)[]

/** @throws Failure as previews do */
export async function estimateRun({
  commands,
  devices,
  settings,
  modelDir,
  options,
}: EstimateInputs): Promise<Estimate> {
  const config = new JoraConfig({ ...fromNames(table, settings), modelPath: modelDir })
  const meshText = config.settings.mesh
  const mesh = parseMesh(meshText)
  const chosen = config.settings.device
  const kind = chosen === 'auto' ? (devices.default === 'webgpu' ? 'webgpu' : 'cpu') : chosen
  const found = devices.devices.find((each) => each.kind === kind && (each.auto || kind === chosen))
  const info = await modelInfo({ ref: modelDir, source: 'folder', path: modelDir })
  const [preview, picture] = await Promise.all([
    readPreview(commands, settings, modelDir, { ...options, measure: kind === 'cpu' }),
    meshPicture(modelDir, meshText, 'settings.mesh', (info?.bytes ?? 0) / Math.max(1, info?.parameters ?? 1) || 2),
  ])
  const { statistics, lengths, plan } = preview
  const shared = {
    steps: plan.steps,
    stepsPerEpoch: plan.stepsPerEpoch,
    samples: statistics.train.samples,
    tokens: statistics.train.tokens,
    longestTokens: lengths.longest,
    device: kind,
    deviceName: found?.name ?? (kind === 'webgpu' ? 'a GPU' : 'CPU'),
    mesh: picture,
  } as const
  const notes: string[] = []
  const rank = rankNote((await describeModel(modelDir, { local: true })).config, config.train.lora)
  if (rank !== undefined) notes.push(`${rank[0]!.toUpperCase()}${rank.slice(1)}.`)
  if (statistics.dropped > 0) notes.push(`${statistics.dropped} rows are too long and are left out.`)
  if (statistics.truncated > 0) notes.push(`${statistics.truncated} samples are too long and are cut.`)

  const printed = await commands.json(
    [
      'estimate',
      ...flags({ model: modelDir, seq: Math.max(2, lengths.longest), mesh: meshText, device: kind }),
      ...settingFlags(settings, estimated),
    ],
    planSchema,
    options,
  )
  const taken = printed.estimates.find(({ auto }) => auto) ?? printed.estimates[0]!
  if (kind === 'cpu') {
    if (plan.cpuSeconds !== undefined) notes.push('The time is a lower bound, from the speed of this CPU.')
  } else {
    if (settings.deviceMemory === undefined)
      notes.push('Programs cannot find out how much memory the GPU has: enter it, to see whether the run fits.')
    if (found === undefined) notes.push('There is no GPU here: the figures are those of a typical data-centre GPU.')
    notes.push('How long a step takes on this GPU is known once the run has begun.')
  }
  const stepSeconds = taken.stepSeconds === null ? null : taken.stepSeconds * plan.steps
  const { weightBytes, activationBytes, totalBytes, fits, checkpointing } = taken
  return {
    ...shared,
    memory: {
      devices: mesh.size,
      weightBytes,
      stateBytes: taken.stateBytes,
      activationBytes,
      totalBytes,
      fits,
      checkpointing,
    },
    seconds: kind === 'cpu' ? (plan.cpuSeconds ?? null) : stepSeconds,
    notes,
  }
}
