// Checkpoints: adapter (or model, where its own weights are trained), optimiser, data cursor and seeds, written whole or not at all, independent of the device.
import { readdir, readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { removeTemporaries, removeWhole, writeFolderAtomic, writeJsonAtomic } from '@jora/tensor/files'
import { parseSafetensors, SafetensorsError, writeSafetensors, type SafetensorsBytes } from '@jora/tensor/safetensors'
import { defaultDevice, type Device, type Tree } from '@jora/tensor'
import { parseJsonFile } from '@jora/data'
import type { DecoderConfig } from '@jora/llama'
import type { EvalEvent, TrainEvent } from './events'
import { parseLine } from './lines'
import { metricsFile, readLog } from './log'
import { treeEntries, treeOf } from './packed-slot'
import { fold, newRun } from './state'
import { ConfigError, type LoraConfig } from '../settings/lora-config'
import { fromFirst } from '../train/on-mesh'
import { restored } from '../adapter/host'
import { methodOf } from '../adapter/methods'
import type { Adapter } from '../adapter/adapter'
import { adapterArrays, adapterWeightsFile, momentEntries, uploadAdapter } from '../adapter/peft/peft'
import { trainedFiles, type TrainedInfo } from '../adapter/save-trained'
import { adaptedModules } from '../adapter/target-modules'
import { readWhole, wholeEntries, wholeWeightsFile } from '../adapter/whole/files'
import type { Progress } from '../train/trainer'
import { slotNames, type SlotName, type TrainState } from '../train/step/train-state'

/** Where a run is, and what must be the same to resume it exactly; see `fingerprint`. */
export interface SavedProgress extends Progress {
  readonly fingerprint: string
  /** Settings that decide the course, as they were; absent in checkpoints of earlier versions. */
  readonly course?: Readonly<Record<string, unknown>>
  /** Trees kept beside the adapter, a file each; AdamW's in checkpoints that do not say. */
  readonly slots?: readonly SlotName[]
}

/** Slots of the state, and files of checkpoints that do not say which they have: AdamW's. */
const adamwSlots: readonly SlotName[] = ['m', 'v']
const slotFile = (slot: SlotName): string => `optimizer_${slot}.safetensors`
const progressFile = 'trainer_state.json'
const isCheckpointName = (name: string): boolean => /^step-\d{8}$/.test(name)
const stepOf = (path: string): number => Number(/\d+$/.exec(path)![0])
const folderName = (step: number): string => `step-${String(step).padStart(8, '0')}`

/**
 * Writes `checkpoints/step-…` under `outputDir` and returns that path, with forward slashes on every system. The state is
 * saved whole, however it is placed on its device. Of a job's processes all must call it, and the first writes.
 */
export async function saveCheckpoint(
  outputDir: string,
  state: TrainState,
  progress: SavedProgress,
  lora: LoraConfig,
  info: TrainedInfo,
): Promise<string> {
  const relative = `checkpoints/${folderName(progress.step)}`
  const slots = slotNames.filter((slot) => state[slot] !== undefined)
  const write = await trainedFiles(state.adapter, lora, info, 'state')
  const shaped = (tree: Adapter) => (lora.whole ? wholeEntries(tree) : momentEntries(tree, lora))
  const entries = new Map<SlotName, Awaited<ReturnType<typeof momentEntries>>>()
  for (const slot of slots)
    entries.set(slot, slot === 'packed' ? await treeEntries(state[slot]) : await shaped(state[slot]!))
  if (!write) return relative
  await writeFolderAtomic(join(outputDir, relative), async (folder) => {
    await write(folder)
    for (const [slot, tensors] of entries)
      await writeSafetensors(join(folder, slotFile(slot)), tensors, { format: 'pt' })
    const told = slots.join() === adamwSlots.join() ? progress : { ...progress, slots }
    await writeJsonAtomic(join(folder, progressFile), told)
  })
  return relative
}

/** Folders of complete checkpoints, oldest first. */
export async function listCheckpoints(outputDir: string): Promise<string[]> {
  const names = await readdir(join(outputDir, 'checkpoints')).catch(() => [] as string[])
  return names
    .filter(isCheckpointName)
    .sort()
    .map((name) => join(outputDir, 'checkpoints', name))
}

/** Where the checkpoint of a step is. */
export const checkpointFolder = (outputDir: string, step: number): string =>
  join(outputDir, 'checkpoints', folderName(step))

/** A checkpoint's path in the run's directory, as events have it; undefined for one that is elsewhere. */
export function ownCheckpoint(outputDir: string, checkpoint: string): string | undefined {
  const path = `checkpoints/${basename(checkpoint)}`
  return resolve(checkpoint) === resolve(outputDir, path) ? path : undefined
}

/**
 * Removes the checkpoints of a run that has come to `step`, but `keep` of the newest, and that of the step `best`. Those of
 * later steps, which a run has that goes on from an earlier one, stay.
 */
export async function pruneCheckpoints(outputDir: string, keep: number, step: number, best?: number): Promise<void> {
  const until = (await listCheckpoints(outputDir)).filter((path) => stepOf(path) <= step)
  for (const path of until.slice(0, -keep)) if (stepOf(path) !== best) await removeWhole(path)
}

/** A checkpoint at which the held-out rows were evaluated. */
export interface EvaluatedCheckpoint {
  readonly path: string
  readonly step: number
  /** Mean held-out loss there, in nats. */
  readonly loss: number
}

/** The checkpoint with the lowest held-out loss; undefined where none was evaluated. */
export async function bestCheckpoint(outputDir: string): Promise<EvaluatedCheckpoint | undefined> {
  const folders = new Map((await listCheckpoints(outputDir)).map((path) => [stepOf(path), path]))
  const events = (await readLog(join(outputDir, metricsFile))).map((line) => parseLine<TrainEvent>(line)!)
  const evaluated = events.filter((event) => event.type === 'eval' && folders.has(event.step)) as EvalEvent[]
  const { best } = evaluated.reduce(fold, newRun)
  return best === null ? undefined : { path: folders.get(best.step)!, ...best }
}

/** Removes what runs that were killed while they saved a checkpoint left behind. */
export const removeUnfinishedCheckpoints = (outputDir: string): Promise<void> =>
  removeTemporaries(join(outputDir, 'checkpoints'), isCheckpointName)

/** `learningRate was 0.001, is 0.0001`, for each setting that differs; none for a checkpoint that does not say. */
const differences = (was: Readonly<Record<string, unknown>>, is: Readonly<Record<string, unknown>>): string[] =>
  Object.keys(is).flatMap((key) => {
    const [before, now] = [was, is].map((values) => JSON.stringify(values[key] ?? null))
    return Object.keys(was).length === 0 || before === now ? [] : [`${key} was ${before}, is ${now}`]
  })

/** A checkpoint whose files are not whole. */
const brokenCheckpoint = (folder: string, problem: string): ConfigError =>
  new ConfigError(`${problem}; remove ${folder} to go on from the checkpoint before it`)

/** What trainer_state.json says. @throws ConfigError when it does not say where the run was */
function progressOf(text: string, folder: string): SavedProgress {
  const path = join(folder, progressFile)
  let json: unknown
  try {
    json = parseJsonFile(text, path)
  } catch (error) {
    throw brokenCheckpoint(folder, (error as Error).message)
  }
  const { step, epoch, epochStep, seconds, fingerprint } = (json ?? {}) as Partial<SavedProgress>
  if (typeof fingerprint !== 'string' || ![step, epoch, epochStep, seconds].every(Number.isFinite))
    throw brokenCheckpoint(folder, `${path} does not say where the run stood`)
  return json as SavedProgress
}

/**
 * The state and progress kept in `folder`. Of a job's processes the first reads.
 * @param course settings of this run that decide its course, to name those that differ
 * @throws ConfigError when the folder is not a checkpoint of these settings
 */
export async function loadCheckpoint(
  folder: string,
  model: DecoderConfig,
  lora: LoraConfig,
  fingerprint: string,
  device: Device = defaultDevice(),
  course: Readonly<Record<string, unknown>> = {},
): Promise<{ state: TrainState; progress: SavedProgress }> {
  const read = (file: string) => fromFirst(device, () => readFile(join(folder, file)))
  const text = await read(progressFile).catch(() => {
    throw new ConfigError(`${folder} is not a checkpoint: ${progressFile} is missing`)
  })
  const progress = progressOf(new TextDecoder().decode(text), folder)
  if (progress.fingerprint !== fingerprint) {
    const others = differences(progress.course ?? {}, course)
    const what = others.length > 0 ? others.join(', ') : 'model, dataset, prompt, split, LoRA, batch, rate or seed'
    throw new ConfigError(
      `${folder} was made with other settings (${what}); resume with those of its run.json, or train into a new output directory`,
    )
  }
  const modules = adaptedModules(model, lora)
  const tensorsOf = async <T>(file: string, take: (tensors: SafetensorsBytes, path: string) => T | Promise<T>) => {
    const path = join(folder, file)
    const bytes = await read(file).catch((error: NodeJS.ErrnoException) => {
      throw new ConfigError(`${path}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`)
    })
    try {
      return await take(parseSafetensors(bytes, path), path)
    } catch (error) {
      if (error instanceof SafetensorsError) throw brokenCheckpoint(folder, error.message)
      throw error
    }
  }
  const arraysOf = (file: string, config: LoraConfig) =>
    tensorsOf(file, (tensors, path) =>
      lora.whole
        ? readWhole(tensors, path, model, lora, file !== wholeWeightsFile)
        : adapterArrays(tensors, path, modules, config, model),
    )
  const written = methodOf(lora).converted?.config(lora) ?? lora
  const adapter = restored(await arraysOf(lora.whole ? wholeWeightsFile : adapterWeightsFile, written), lora)
  const slots: [SlotName, Tree][] = []
  for (const slot of progress.slots ?? adamwSlots) {
    const file = slotFile(slot)
    const tree =
      slot === 'packed'
        ? await tensorsOf(file, (tensors) => treeOf(tensors, device))
        : uploadAdapter(await arraysOf(file, lora), lora, device)
    slots.push([slot, tree])
  }
  return {
    state: { adapter: uploadAdapter(adapter, lora, device), ...Object.fromEntries(slots) },
    progress,
  }
}
