// What there is to know of a model in a folder, from its JSON and the sizes of its files.
import { readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { openModel, weightShapes } from '@jora/llama'
import type { ModelInfo } from '../api'

export interface ModelPlace {
  /** For `settings.model`. */
  readonly ref: string
  readonly name?: string
  readonly source: ModelInfo['source']
  readonly path: string
}

const sizeOf = async (path: string): Promise<number> => (await stat(path)).size

/** Whether a path is that of a GGUF file. */
export const isGguf = (path: string): boolean => /\.gguf$/i.test(path)

/** The `model_type` of a folder's config.json. */
async function familyOf(folder: string): Promise<string | null> {
  const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => '')
  try {
    const { model_type: type } = JSON.parse(text) as { model_type?: unknown }
    return typeof type === 'string' ? type : null
  } catch {
    return null
  }
}

/** The model that a GGUF file or the config.json of a folder describes; undefined where that is no language model's. */
export async function modelInfo({
  ref,
  name = basename(ref),
  source,
  path,
}: ModelPlace): Promise<ModelInfo | undefined> {
  const family = isGguf(path) ? 'gguf' : await familyOf(path)
  if (family === null) return undefined
  const info: ModelInfo = {
    ref,
    name,
    source,
    path,
    family,
    parameters: null,
    layers: null,
    hiddenSize: null,
    vocabSize: null,
    maxPositions: null,
    bytes: null,
    hasChatTemplate: false,
    modules: [],
    problem: null,
  }
  try {
    await using model = await openModel(path, { local: true })
    const { config } = model
    const shapes = weightShapes(config)
    const { layers, hiddenSize, vocabSize, maxPositions } = config
    Object.assign(info, { layers, hiddenSize, vocabSize, maxPositions })
    info.parameters = [...shapes.values()].reduce((sum, shape) => sum + shape.reduce((n, size) => n * size, 1), 0)
    const linear = [...shapes.keys()].flatMap((key) => /\.(\w+_proj)\.weight$/.exec(key)?.[1] ?? [])
    info.modules = [...new Set(linear)]
    const files = new Set([...model.weights.entries.values()].map(({ file }) => file))
    const sizes = await Promise.all([...files].map(sizeOf))
    info.bytes = sizes.reduce((a, b) => a + b, 0)
    if (model.gguf) {
      info.family = config.modelType
      info.hasChatTemplate = model.chatTemplate !== undefined
      return info
    }
    const settings = await readFile(join(path, 'tokenizer_config.json'), 'utf8').catch(() => '')
    const hasFile = await stat(join(path, 'chat_template.jinja')).catch(() => undefined)
    info.hasChatTemplate = hasFile !== undefined || settings.includes('"chat_template"')
    await stat(join(path, 'tokenizer.json')).catch(() => {
      throw new Error('tokenizer.json is missing: save the fast tokenizer beside the model')
    })
  } catch (error) {
    info.problem = (error as Error).message
  }
  return info
}
