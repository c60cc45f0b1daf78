// How many layers a run recomputes so that its steps fit into memory, where `--gradient-checkpointing auto` leaves it to us.
import { figuresOf, largest, planSteps, type BatchRow, type SampleFigures } from '@jora/data'
import type { OpenModel } from '@jora/llama'
import {
  anyProcess,
  layersToRecompute,
  needsCheckpointing,
  plannedModel,
  type JoraDataset,
  type LoraConfig,
  type SampleList,
} from '@jora/lora'
import { parseMesh } from '@jora/shard'
import type { Device } from '@jora/tensor'
import type { TrainValues } from '../commands/train-settings'
import { gpuOf } from '../open-device'

/** Bytes that this process may come to take: what is free, by the limits of its control group too, and what it has. */
export const processMemory = (): number => process.availableMemory() + process.memoryUsage.rss()

/**
 * The layers, from the first on, whose activations are recomputed: on a GPU none or all, on the CPU as many as it takes.
 * A step on the longest rows is what has to fit into `--device-memory`; without it, into 4 GB of a GPU, or into what memory
 * is free. On a mesh of CPUs nothing is recomputed unless it is asked for.
 */
export async function recomputedLayers(
  model: OpenModel,
  device: Device,
  { samples: list, packing }: JoraDataset<SampleList>,
  values: TrainValues & { readonly lora: LoraConfig },
): Promise<number> {
  const samples = figuresOf(list)
  const work = {
    batch: values.batchSize,
    seq: packing === 'tree' ? longestRow(samples, values) : largest(samples, (i) => samples.tokensOf(i), 2),
    accumulation: values.gradientAccumulationSteps,
    lora: values.lora,
    optimizer: values.optimizer,
  }
  const { dtype, deviceMemory } = values
  const mesh = parseMesh(values.mesh)
  if (device.kind === 'cpu') {
    if (mesh.size > 1) return 0
    const memoryBytes = deviceMemory ?? processMemory()
    return layersToRecompute(plannedModel(model), work, { profile: 'cpu', dtype, memoryBytes })
  }
  const { profile } = gpuOf(device)
  const where = { profile, dtype, memoryBytes: deviceMemory, mesh }
  const isTooLarge = await needsCheckpointing(plannedModel(model), work, where)
  return (await anyProcess(device, isTooLarge)) ? model.config.layers : 0
}

/** Tokens of the longest row that trees are put into, in the first epoch. */
function longestRow(samples: SampleFigures, values: TrainValues): number {
  const { batchSize, gradientAccumulationSteps, seed, shuffle, lengthCurriculum, maxSeqLength: rowTokens } = values
  const shortFirst = lengthCurriculum !== undefined
  const how = { batchSize, gradientAccumulationSteps, seed, shuffle, shortFirst, rowTokens }
  const plan = planSteps(samples, { ...how, epoch: 0 })
  const tokensOf = (row: BatchRow) => [row].flat().reduce((n, index) => n + samples.tokensOf(index), 0)
  return plan.flat(2).reduce<number>((longest, row) => Math.max(longest, tokensOf(row)), 2)
}
