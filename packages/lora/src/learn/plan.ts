// What a run from documents to a model would do and take, before it does.
import { cpus } from 'node:os'
import { chunkDocuments, readQuestions } from '@jora/data'
import type { WebGpuDevice } from '@jora/tensor/webgpu'
import { stepFlops } from '../estimate/flops'
import { estimateStep } from '../estimate/estimate'
import { plannedModel } from '../estimate/plan'
import { trainingDType } from '../train/training-dtype'
import type { DocumentFigures, LearnOptions } from './options'
import { readWithFigures } from './reading'

/** What a run would come to; figures that begin with `about` are estimates. */
export interface LearnPlan {
  readonly documents: DocumentFigures
  readonly passages: number
  readonly tokens: number
  /** Questions of the file that was given. */
  readonly questions: number | undefined
  readonly aboutQuestions: number
  readonly aboutRequests: number
  readonly aboutContexts: number
  /** Tokens of a context. */
  readonly contextTokens: number
  readonly aboutSteps: number
  /** Bytes of a step on that device, with what it keeps for the way back. */
  readonly aboutMemoryBytes: number
  /** Where it would train. */
  readonly device: string
  /** On this machine's processor. */
  readonly aboutSeconds: number
}

/** Measured steps reach so much of a core, in operations a second. */
const flopsPerCore = 5e10
/** Compiling, for each of the few shapes that steps have, in seconds for a layer. */
const compileSeconds = 0.3

/** Reads the documents and counts, and opens the device; nothing is written, drafted or computed. */
export async function planLearning(options: LearnOptions): Promise<LearnPlan> {
  const { model, config, raft = {}, drafting = {}, questions: file } = options
  const { chunkTokens = 256, overlapTokens = 0, tableFormat = 'markdown', distractors = 4 } = raft
  const { perChunk = 2, maxQuestions = Infinity, unanswerable = 0.15, leastTokens = 24 } = drafting
  const { documents, figures } = await readWithFigures(options)
  const cut = { tokenizer: model.tokenizer, chunkTokens, overlapTokens, tableFormat, signal: options.signal }
  const chunks = await chunkDocuments(documents, cut)
  const long = chunks.filter(({ tokens }) => tokens >= leastTokens).length
  const given = file === undefined ? undefined : (await readQuestions(file, { onRefused: () => {} })).length
  const asked = Math.min(long, Math.ceil(maxQuestions / perChunk))
  const aboutQuestions = given ?? Math.min(maxQuestions, Math.round(asked * (perChunk + unanswerable)))
  const aboutContexts = Math.min(chunks.length, given === undefined ? asked : given)
  const tokens = chunks.reduce((sum, chunk) => sum + chunk.tokens, 0)
  const contextTokens = Math.round((tokens / Math.max(1, chunks.length)) * (distractors + 1))
  const { batchSize, gradientAccumulationSteps, epochs, split } = config.settings
  const trained = Math.round(split * aboutContexts)
  const perStep = batchSize * gradientAccumulationSteps
  const aboutSteps = Math.ceil((split * aboutQuestions) / perStep) * epochs
  const work = { batch: 1, seq: Math.max(16, contextTokens), accumulation: 1, lora: config.train.lora }
  const device = await options.openDevice()
  const [step] = await estimateStep(plannedModel(model), work, {
    profile: device.kind === 'cpu' ? 'cpu' : (device as WebGpuDevice).profile,
    dtype: trainingDType(config.settings.dtype, device, model.config, config.train),
    gradientCheckpointing: 'off',
    memoryBytes: undefined,
  })
  const compute = (stepFlops(model.config, 1, contextTokens) * trained * epochs) / (flopsPerCore * cpus().length)
  return {
    documents: figures,
    passages: chunks.length,
    tokens,
    questions: given,
    aboutQuestions,
    aboutRequests: given === undefined ? Math.round(asked * (1 + perChunk + 2 * unanswerable)) : 0,
    aboutContexts,
    contextTokens,
    aboutSteps,
    aboutMemoryBytes: step!.totalBytes,
    device: device.name,
    aboutSeconds: compute + model.config.layers * compileSeconds * 4,
  }
}
