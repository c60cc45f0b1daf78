// What a folder tells of itself for its model card: adapter_config.json, run.json, metrics.jsonl, licence files.
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { hubClient } from '@jora/llama'
import { promptFile } from '../adapter/prompt-file'
import type { TrainEvent } from '../runs/events'
import { parseLine } from '../runs/lines'
import { readLog } from '../runs/log'
import { fold, newRun } from '../runs/state'
import { licenceOf } from './licence'
import type { CardInfo, CardLora, CardTraining } from './model-card'

/** What a model card should name that the folder may not know. */
export interface CardOptions {
  /** Hub id the folder will have. */
  readonly repo?: string | undefined
  /** Hub id of the base model, where the folder does not name it. */
  readonly baseModel?: string | undefined
}

type Json = Readonly<Record<string, unknown>>

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
const number = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined
const object = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}

/** The object in a JSON file; an empty one where there is none. */
async function readJson(path: string): Promise<Json> {
  try {
    return object(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return {} // A card says less then.
  }
}

/** Reads what is known of `path`, a folder or a GGUF file, from it and from the run that made it. Missing parts are left out. */
export async function readCardInfo(path: string, { repo, baseModel }: CardOptions = {}): Promise<CardInfo> {
  const full = resolve(hubClient.expandHome(path))
  const isFolder = (await stat(full).catch(() => undefined))?.isDirectory() ?? false
  const folder = isFolder ? full : join(full, '..')
  const names = isFolder ? await readdir(full) : [basename(full)]
  const has = (name: string) => names.includes(name)
  const ggufFiles = names.filter((name) => /\.gguf$/i.test(name)).sort()
  const adapter = has('adapter_config.json') ? await readJson(join(folder, 'adapter_config.json')) : undefined
  const run = isFolder ? await readJson(join(folder, 'run.json')) : {}
  const model = object(run.model)
  const known =
    baseModel ?? (await hubId(adapter?.base_model_name_or_path, run)) ?? (await nameInConfig(folder, isFolder))
  const plainKind = adapter ? 'adapter' : has('config.json') || ggufFiles.length === 0 ? 'model' : 'gguf'
  const kind = plainKind === 'gguf' && (await isGgufAdapter(join(folder, ggufFiles[0]!))) ? 'gguf-adapter' : plainKind
  return {
    kind,
    title: repo?.split('/').at(-1) ?? basename(full).replace(/\.gguf$/i, ''),
    repo,
    baseModel: known,
    license:
      (await licenceOf(folder)) ??
      (text(model.folder) === undefined ? undefined : await licenceOf(text(model.folder)!)),
    ggufFiles,
    lora: adapter && loraOf(adapter),
    ropeScaling:
      stretchSaid(run.ropeScaling) ?? stretchSaid(object((await readJson(join(folder, promptFile))).base).ropeScaling),
    whole: adapter ? undefined : wholeOf(object(run.settings)),
    training: Object.keys(run).length > 0 ? await trainingOf(run, folder) : undefined,
  }
}

/** The base model by its Hub id. A name that is a folder on this machine is nobody else's. */
async function hubId(name: unknown, { model, settings }: Json): Promise<string | undefined> {
  const fromRun = text(object(model).id)
  if (fromRun !== undefined) return fromRun
  const given = text(name)
  if (given === undefined || !isPublicName(given) || given === text(object(settings).modelPath)) return undefined
  return (await stat(resolve(given)).catch(() => undefined)) ? undefined : given
}

const isPublicName = (name: string): boolean =>
  name.includes('/') && hubClient.isModelId(name) && !hubClient.isPath(name)

/** Older configs say what they were made from. */
async function nameInConfig(folder: string, isFolder: boolean): Promise<string | undefined> {
  if (!isFolder) return undefined
  const name = text((await readJson(join(folder, 'config.json')))._name_or_path)
  return name !== undefined && isPublicName(name) && !(await stat(resolve(name)).catch(() => undefined))
    ? name
    : undefined
}

/** What of a model was trained without an adapter, by the settings of its run. */
function wholeOf({ finetuningType, trainableLayers, layersToTransform }: Json): string | undefined {
  if (finetuningType === 'full') return 'all weights'
  if (finetuningType !== 'freeze') return undefined
  const numbers = [layersToTransform ?? []].flat().map(Number)
  if (numbers.length > 0) return `layers ${numbers.join(', ')}`
  const count = number(trainableLayers) ?? 2
  return `the ${count > 0 ? 'last' : 'first'} ${Math.abs(count)} layers`
}

/** How positions were stretched, as run.json and prompt.json say it. */
function stretchSaid(said: unknown): CardInfo['ropeScaling'] {
  const { type, factor } = object(said)
  return text(type) === undefined || number(factor) === undefined
    ? undefined
    : { type: text(type)!, factor: number(factor)! }
}

function loraOf(config: Json): CardLora | undefined {
  const [r, alpha] = [number(config.r), number(config.lora_alpha)]
  const modules = config.target_modules
  if (r === undefined || alpha === undefined) return undefined
  const targetModules = Array.isArray(modules)
    ? modules.filter((name) => typeof name === 'string')
    : [text(modules) ?? '?']
  return {
    r,
    alpha,
    targetModules,
    dropout: number(config.lora_dropout),
    useRslora: config.use_rslora === true,
    ...(config.use_dora === true && { useDora: true }),
  }
}

async function trainingOf(run: Json, folder: string): Promise<CardTraining> {
  const [settings, dataset] = [object(run.settings), object(run.dataset)]
  const statistics = object(dataset.statistics)
  const [batch, accumulation] = [number(settings.batchSize), number(settings.gradientAccumulationSteps)]
  const datasetPath = text(dataset.path)
  const { name: template } = await readJson(join(folder, promptFile))
  return {
    joraVersion: text(run.version),
    datasetFile: datasetPath === undefined ? undefined : datasetPath.split(/[\\/]/).at(-1),
    promptTemplate: text(template) ?? text(settings.promptTemplate),
    samples: number(statistics.samples),
    contexts: number(statistics.contexts),
    learningRate: number(settings.learningRate),
    scheduler: text(settings.scheduler),
    maxSeqLength: number(settings.maxSeqLength),
    seed: number(settings.seed),
    samplesPerStep: batch === undefined || accumulation === undefined ? undefined : batch * accumulation,
    ...(await readMetrics(join(folder, 'metrics.jsonl'))),
  }
}

/** What the lines of metrics.jsonl come to. */
async function readMetrics(path: string): Promise<CardTraining> {
  const events = (await readLog(path)).map((line) => parseLine<TrainEvent>(line)!)
  const { step, epoch, loss, evalLoss } = events.reduce(fold, newRun)
  const tokens = events.reduce((sum, event) => sum + (event.type === 'step' ? (number(event.tokens) ?? 0) : 0), 0)
  return {
    ...(epoch !== null && { steps: number(step), epochs: rounded(number(epoch)), finalLoss: number(loss) }),
    ...(evalLoss !== null && { evalLoss: number(evalLoss) }),
    ...(tokens > 0 && { tokens }),
  }
}

const rounded = (n: number | undefined): number | undefined => (n === undefined ? undefined : Math.round(n * 100) / 100)

/** A LoRA in GGUF says so among its first keys. */
async function isGgufAdapter(path: string): Promise<boolean> {
  await using file = await open(path)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(65_536), 0, 65_536, 0)
  return buffer.subarray(0, bytesRead).includes('adapter.lora.alpha')
}
