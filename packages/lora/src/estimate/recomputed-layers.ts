// How many layers a run recomputes so that its steps fit into memory, where `gradientCheckpointing` is `auto`.
import { figuresOf, largest, planSteps, type BatchRow, type SampleFigures } from '@jora/data'
import type { OpenModel } from '@jora/llama'
import { MeshDevice, parseMesh } from '@jora/shard'
import type { Device } from '@jora/tensor'
import type { WebGpuDevice } from '@jora/tensor/webgpu'
import type { JoraDataset } from '../datasets/options'
import type { JoraConfig } from '../settings/jora-config'
import { anyProcess } from '../train/on-mesh'
import type { SampleList } from '../train/samples'
import { trainingDType } from '../train/training-dtype'
import { layersToRecompute, needsCheckpointing, plannedModel } from './plan'

/** Bytes that this process may come to take: what is free, by the limits of its control group too, and what it has. */
export const processMemory = (): number => process.availableMemory() + process.memoryUsage.rss()

/**
 * The layers, from the first on, whose activations are recomputed: on a GPU none or all, on the CPU as many as it takes.
 * A step on the longest rows is what has to fit into `deviceMemory`; without it, into 4 GB of a GPU, or into what memory
 * is free. On a mesh of CPUs nothing is recomputed unless it is asked for.
 * @returns undefined where the settings say it themselves
 */
export async function recomputedLayers(
  model: OpenModel,
  device: Device,
  { samples: list, packing }: Pick<JoraDataset<SampleList>, 'samples' | 'packing'>,
  config: JoraConfig,
): Promise<number | undefined> {
  const { settings, train, deviceOptions } = config
  if (settings.gradientCheckpointing !== 'auto') return undefined
  const samples = figuresOf(list)
  const { memoryBytes } = deviceOptions
  const work = {
    batch: train.batchSize,
    seq: packing === 'tree' ? longestRow(samples, config) : largest(samples, (i) => samples.tokensOf(i), 2),
    accumulation: train.gradientAccumulationSteps,
    lora: train.lora,
    optimizer: train.optimizer,
  }
  const dtype = trainingDType(settings.dtype, device, model.config, train)
  const mesh = device instanceof MeshDevice ? device.mesh : parseMesh('data=1,model=1')
  if (device.kind === 'cpu') {
    if (mesh.size > 1) return 0
    return layersToRecompute(plannedModel(model), work, {
      profile: 'cpu',
      dtype,
      memoryBytes: memoryBytes ?? processMemory(),
    })
  }
  const [first] = device instanceof MeshDevice ? device.devices : [device]
  const { profile } = first as WebGpuDevice
  const isTooLarge = await needsCheckpointing(plannedModel(model), work, { profile, dtype, memoryBytes, mesh })
  return (await anyProcess(device, isTooLarge)) ? model.config.layers : 0
}

/** Tokens of the longest row that trees are put into, in the first epoch. */
function longestRow(samples: SampleFigures, { settings, train }: JoraConfig): number {
  const { batchSize, gradientAccumulationSteps, seed, shuffle, lengthCurriculum } = train
  const shortFirst = lengthCurriculum !== undefined
  const rowTokens = settings.maxSeqLength
  const how = { batchSize, gradientAccumulationSteps, seed, shuffle, shortFirst, rowTokens }
  const plan = planSteps(samples, { ...how, epoch: 0 })
  const tokensOf = (row: BatchRow) => [row].flat().reduce((n, index) => n + samples.tokensOf(index), 0)
  return plan.flat(2).reduce<number>((longest, row) => Math.max(longest, tokensOf(row)), 2)
}
