// Which of a repository's files a decoder needs: config, tokenizer, and safetensors weights by their index.

import { HubError } from './error'
import { ggufModels } from './gguf-files'
import { checkFileName } from './names'

/** Files that are beside config and weights: generation settings, tokenizer, chat template. */
export const companionFiles: readonly string[] = [
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  // JORA's: how a model it tuned is asked.
  'prompt.json',
]
// How a sentence encoder pools, for models that only encode.
const encoderFiles = ['sentence_bert_config.json', '1_Pooling/config.json']
const smallFiles = ['config.json', ...companionFiles, 'additional_chat_templates/tool_use.jinja', ...encoderFiles]

export const indexName = 'model.safetensors.index.json'

/** A model split over several files. */
export interface WeightIndex {
  /** Tensor name → file name, each checked to stay inside the model's folder. */
  weightMap: Map<string, string>
  /** The files, sorted. */
  shards: string[]
}

/** Parses `model.safetensors.index.json`. Throws {@link HubError} when malformed or naming a file outside the folder. */
export function parseWeightIndex(json: string, id: string): WeightIndex {
  const bad = (what: string, cause?: unknown) => new HubError('Corrupt', id, `${indexName} ${what}`, { cause })
  let weightMap: unknown
  try {
    weightMap = (JSON.parse(json) as { weight_map?: unknown } | null)?.weight_map
  } catch (error) {
    throw bad(`is not JSON: ${(error as Error).message}`, error)
  }
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap)) throw bad('has no weight_map')
  const entries = Object.entries(weightMap)
  if (entries.length === 0) throw bad('has an empty weight_map')
  for (const [tensor, file] of entries) {
    if (typeof file !== 'string') throw bad(`maps ${JSON.stringify(tensor)} to something that is not a file name`)
    checkFileName(file, id, indexName)
    if (!file.endsWith('.safetensors'))
      throw bad(`maps ${JSON.stringify(tensor)} to ${file}, which is not a safetensors file`)
  }
  const map = new Map(entries as [string, string][])
  return { weightMap: map, shards: [...new Set(map.values())].sort() }
}

/** The files other than weights, small ones first to be fetched; the index is among them where there is one. */
export function selectSmall(all: ReadonlySet<string>): string[] {
  return [...smallFiles, indexName].filter((name) => all.has(name))
}

const singleName = 'model.safetensors'

/** Whether the index of a repository counts: as in transformers, only where there is no `model.safetensors`. */
export const indexCounts = (all: ReadonlySet<string>): boolean => all.has(indexName) && !all.has(singleName)

/** The weights: `model.safetensors`, else the index's shards, else every safetensors file of the folder itself. */
export function selectWeights(all: ReadonlySet<string>, index: WeightIndex | undefined): string[] {
  if (all.has(singleName)) return [singleName]
  if (index) return index.shards
  return [...all].filter((name) => /^[^/\\:]+\.safetensors$/.test(name)).sort()
}

/** Throws unless the selection is a model: it has a config and weights. */
export function checkModel(all: ReadonlySet<string>, weights: readonly string[], id: string): void {
  if (!all.has('config.json')) {
    const [gguf] = ggufModels(all)
    const hint = gguf === undefined ? '' : `; it has GGUF files: name one, as ${id}/${gguf}`
    throw new HubError('NotAModel', id, `has no config.json${hint}`)
  }
  if (weights.length > 0) return
  const pickle = [...all].find((name) => /\.(bin|pt|pth|ckpt)$/.test(name))
  const only = pickle ? ` (it has ${pickle}: pickle files can run code when opened, so convert the model first)` : ''
  throw new HubError('NotAModel', id, `has no .safetensors weights${only}`)
}
