// A model in use, from one call: text in, text out.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  passageFinder,
  type Answer,
  type AnswerOptions,
  type Answerer,
  type Ask,
  type ChatMessage,
  type ContextDocument,
  type PromptChoice,
} from '@jora/data'
import { openModel, type DTypeSetting, type OpenModelOptions } from '@jora/llama'
import { openDevice, type DeviceName } from '@jora/shard/open'
import type { Device } from '@jora/tensor'
import { adapterConfigFile } from '../adapter/peft/peft-config'
import { baseOfAdapter } from '../adapter/prompt-file'
import { openAnswerers } from './open'

/** How {@link load} opens a model. */
export interface LoadOptions {
  /** An open device, or the name of one (default `auto`: a GPU where there is one that fits, else the CPU). */
  readonly device?: Device | DeviceName
  /** The dtype that the model computes in (default: as `decoder` of the open model chooses). */
  readonly dtype?: DTypeSetting
  /** Keeps the matrices of a 16-bit folder in memory as 8 or 4 bits. */
  readonly quantize?: OpenModelOptions['quantize']
  /** How it is asked, if not as the adapter was trained, or else the model's chat template says. */
  readonly prompt?: PromptChoice
}

/** How {@link Asked.answer} answers. */
export interface QuestionOptions extends AnswerOptions {
  /** What the question is about: texts, with titles or without. */
  readonly documents?: readonly (string | ContextDocument)[]
  /** Of the documents, only so many that fit the question best (by BM25) are put before it; all when absent. */
  readonly retrieve?: number
}

/** An answer that is made once somebody reads it. Read it once. */
export interface Answering extends AsyncIterable<string> {
  /** Its text, once it is whole. */
  text(): Promise<string>
  /** All that is known of it once it is whole: text, ids, why it ended, the passages that were chosen. */
  whole(): Promise<Answer>
}

/** A model that is ready to be asked; see {@link load}. */
export interface Loaded extends AsyncDisposable {
  /** The same model for those who want more than text: batches, log probabilities, vectors. */
  readonly answerer: Answerer
  /**
   * Answers a question, or the last message of a conversation, in the prompt that the model was trained with. Pieces of
   * text come as they are made; leaving the loop ends the answer.
   */
  answer(question: string | readonly ChatMessage[], options?: QuestionOptions): Answering
  /** Releases the model, and with the last model on it the device, where it was named and not given. */
  close(): Promise<void>
}

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() ?? false

/**
 * Opens a model, with an adapter or without.
 *
 * @param model a folder in Hugging Face layout, a `.gguf` file or a Hub id; or the folder of an adapter, which names its base
 * @param adapter the folder of an adapter for it
 * @throws ModelError | ConfigError for what cannot be read, or an adapter of another base; DeviceError for a device that is not there
 */
export async function load(model: string, adapter?: string, options: LoadOptions = {}): Promise<Loaded> {
  const { device = 'auto', dtype, quantize, prompt } = options
  const isAdapter =
    adapter === undefined &&
    (await isFile(join(model, adapterConfigFile))) &&
    !(await isFile(join(model, 'config.json')))
  const folder = isAdapter ? model : adapter
  const base = isAdapter ? (await baseOfAdapter(model)).model : model
  await using open = await openModel(base, quantize === undefined ? {} : { quantize })
  let release = async () => {}
  const opening = async () => {
    if (typeof device !== 'string') return device
    const shared = await openDevice(device)
    release = usedBy(shared)
    return shared
  }
  const { asked, dispose } = await openAnswerers(open, { adapters: [folder], device: opening, dtype, prompt }).catch(
    async (error: unknown) => {
      await release()
      throw error
    },
  )
  const { answerer } = asked[0]!
  const close = async () => {
    dispose()
    await release()
  }
  return {
    answerer,
    answer: (question, questionOptions) => answering(answerer, question, questionOptions),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Models on each device that was opened by name. */
const users = new Map<Device, number>()

/** Counts a model on a device. @returns releases it: with its last model the device is closed */
function usedBy(device: Device): () => Promise<void> {
  users.set(device, (users.get(device) ?? 0) + 1)
  let used = true
  return async () => {
    if (!used) return
    used = false
    const left = users.get(device)! - 1
    users.set(device, left)
    if (left > 0) return
    users.delete(device)
    await device.close()
  }
}

function answering(
  answerer: Answerer,
  question: string | readonly ChatMessage[],
  { documents = [], retrieve, ...options }: QuestionOptions = {},
): Answering {
  const given = documents.map((document) => (typeof document === 'string' ? { text: document } : document))
  const about = typeof question === 'string' ? question : (question.at(-1)?.content ?? '')
  const passages =
    given.length === 0 || retrieve === undefined ? undefined : passageFinder(given, { limit: retrieve })(about)
  const shown = (passages ?? given).map(({ title, text }) => (title === undefined ? { text } : { title, text }))
  const seen = shown.length === 0 ? {} : { documents: shown }
  const ask: Ask = typeof question === 'string' ? { question, ...seen } : { messages: question, ...seen }
  const whole = async (): Promise<Answer> => {
    const answer = await answerer.ask(ask, options)
    return passages ? { ...answer, passages } : answer
  }
  return {
    async *[Symbol.asyncIterator]() {
      for await (const { text } of answerer.stream(ask, options)) if (text !== '') yield text
    },
    whole,
    text: async () => (await whole()).text,
  }
}
