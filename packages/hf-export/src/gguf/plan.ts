// What a model's GGUF file holds: metadata, and each tensor with where its rows come from.
import { basename, dirname, resolve } from 'node:path'
import { architectureOf, interleavedHeads, tensorName, weightShapes, type GgufDescription } from '@jora/llama'
import { keptChatTemplate, promptEnds } from '@jora/lora'
import type { MergedTensors } from '../merged-tensors'
import { architectureMetadata, checkArchitecture, ropeFactors } from './architectures'
import { bool, encodeRows, string, u32, type Metadata, type PackedType } from '@jora/tensor/weights'
import { fallbackNotes, fileTypes, tensorType, type FileType } from './file-types'
import { interleaveRows } from './interleave'
import { readVocabulary } from './tokenizer/vocabulary'
import type { GgufTensor } from './write'

/** A tensor as float32, from which its bytes are made. */
export interface PlannedTensor {
  readonly name: string
  readonly type: PackedType
  /** Outermost first. */
  readonly shape: readonly number[]
  /** Its rows in the file's order, a block of whole ones at a time. */
  readonly rows: () => AsyncIterable<Float32Array>
}

export interface Plan {
  readonly metadata: Metadata
  readonly tensors: readonly PlannedTensor[]
  /** What a user may want to know of the file. */
  readonly notes: readonly string[]
}

/** Version of ggml's quantised formats. */
const quantizationVersion = 2

/** The keys every file has. `name` is for people. */
export const generalMetadata = (type: 'model' | 'adapter', arch: string, name: string, fileType: FileType): Metadata =>
  new Map([
    ['general.type', string(type)],
    ['general.architecture', string(arch)],
    ['general.name', string(name)],
    ['general.file_type', u32(fileTypes[fileType].id)],
    ['general.quantization_version', u32(quantizationVersion)],
  ])

/** A model folder's name for people: of the Hub's cache the repository's, else the folder's own. */
export function modelName(folder: string): string {
  const path = resolve(folder.replace(/\.gguf$/i, ''))
  const repository = /^models--(.+)$/.exec(basename(dirname(dirname(path))))?.[1]
  return basename(dirname(path)) === 'snapshots' && repository !== undefined
    ? repository.replaceAll('--', '/')
    : basename(path)
}

/**
 * The GGUF file of the model in `modelDir`, with the adapter in `adapterDir`, which `source` reads; most tensors are of the
 * type that `fileType` names, and the chat template is that of the prompt the adapter was trained with.
 * @throws ConfigError for a model or tokenizer that llama.cpp has no counterpart for
 */
export async function planModel(
  source: MergedTensors,
  { modelDir, adapterDir }: { readonly modelDir: string; readonly adapterDir?: string | undefined },
  fileType: FileType,
): Promise<Plan> {
  const { config } = source
  const notes = checkArchitecture(config)
  const { gguf } = source.model
  const vocabulary = gguf ? vocabularyOfGguf(gguf) : await readVocabulary(modelDir, config.vocabSize)
  notes.push(...vocabulary.notes)
  const tensors = [...weightShapes(config)].map(([stored, shape]): PlannedTensor => {
    const name = tensorName(stored, config)
    const type = tensorType(name, shape, fileType, config)
    return { name, type, shape, rows: () => modelRows(source, stored) }
  })
  notes.push(...fallbackNotes(tensors, fileType))
  for (const [name, factors] of ropeFactors(config))
    tensors.push({ name, type: 'f32', shape: [factors.length], rows: () => once(factors) })
  const { arch } = architectureOf(config)
  const metadata = new Map([
    ...generalMetadata('model', arch, modelName(modelDir), fileType),
    ...architectureMetadata(config),
    ...vocabulary.metadata,
  ])
  // Whoever asks the file asks as in training; a folder that is itself a GGUF file holds its own.
  const prompt = adapterDir ?? (gguf ? undefined : modelDir)
  const chatTemplate = prompt === undefined ? undefined : await keptChatTemplate(prompt)
  if (chatTemplate !== undefined) metadata.set('tokenizer.chat_template', string(chatTemplate))
  if (prompt !== undefined) {
    const { endOfTurn, bos } = await promptEnds(source.model, { adapter: adapterDir, model: modelDir })
    if (endOfTurn !== undefined) metadata.set('tokenizer.ggml.eot_token_id', u32(endOfTurn))
    if (bos !== undefined) metadata.set('tokenizer.ggml.add_bos_token', bool(bos))
  }
  return { metadata, tensors, notes }
}

/** What the base's own file says of its tokenizer, and of itself. */
const vocabularyOfGguf = ({ metadata }: GgufDescription) => ({
  metadata: new Map([...metadata].filter(([key]) => /^(tokenizer|general)\./.test(key) && !rewritten.has(key))),
  notes: [],
})

/** Keys that are the new file's own. */
const rewritten: ReadonlySet<string> = new Set([
  'general.architecture',
  'general.type',
  'general.name',
  'general.file_type',
  'general.quantization_version',
  'general.alignment',
])

/** Rows of a weight as llama.cpp wants them: query and key rows in its order, Gemma's norms with their 1 added. */
async function* modelRows(source: MergedTensors, name: string): AsyncGenerator<Float32Array> {
  const { config } = source
  const heads = interleavedHeads(name, config)
  const offset = name.endsWith('norm.weight') ? config.normOffset : 0
  const { shape } = source.tensors.get(name)!
  const columns = shape.length === 1 ? 1 : shape[1]!
  for await (const { values } of source.rows(name, heads > 0 ? config.headDim : 1)) {
    for (let i = 0; offset > 0 && i < values.length; i++) values[i]! += offset
    yield heads > 0 ? interleaveRows(values, config.headDim, columns) : values
  }
}

/** All rows at once. */
export async function* once(values: Float32Array): AsyncGenerator<Float32Array> {
  yield values
}

/** The plan's tensors as bytes. @throws RangeError naming the tensor for a value its type cannot hold */
export const encodeTensor = ({ name, type, shape, rows }: PlannedTensor): GgufTensor => ({
  name,
  type,
  shape,
  data: async function* () {
    for await (const values of rows()) yield encodeNamed(name, values, type)
  },
})

/** As encodeRows, with the tensor's name in errors. */
export function encodeNamed(name: string, values: Float32Array, type: PackedType): Uint8Array {
  try {
    return encodeRows(values, type)
  } catch (error) {
    throw new RangeError(`${name}: ${(error as Error).message}; export with dtype f32`, { cause: error })
  }
}
