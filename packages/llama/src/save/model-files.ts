// The files of a Hugging Face model folder that are beside its weights.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '@jora/tensor/files'
import type { FloatDType } from '@jora/tensor/safetensors'
import { parseConfig, textConfig, type DecoderConfig } from '../config/config'
import { configJson, ropeScaling } from '../config/config-json'
import { companionFiles } from '../hub'
import type { ModelDescription } from '../open/open-model'

/** Whether a file of that name is a licence or belongs to one. Licences ask to travel with the weights. */
export const isLicence = (name: string): boolean => /^(licen[cs]e|notice|use_policy)(\.|$)/i.test(name)

/** Of a model folder's files, those that come along with its weights: tokenizer, generation settings, template, licence. */
const companionsOf = (names: readonly string[]): string[] =>
  names.filter((name) => companionFiles.includes(name) || isLicence(name))

const torchNames: Readonly<Record<FloatDType, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }

const jsonBytes = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value, null, 2)}\n`)

type Json = Readonly<Record<string, unknown>>

/**
 * Keys of a config.json with other positions than it says, where its own keys have them: transformers 5 writes rope_parameters,
 * earlier versions rope_scaling.
 */
function stretchedKeys(said: Json, config: DecoderConfig): Json {
  const scaling = ropeScaling(config)
  const length = { max_position_embeddings: config.maxPositions }
  const { rope_parameters: parameters } = said
  if (typeof parameters !== 'object' || parameters === null) return { ...length, rope_scaling: scaling }
  // Where layers differ, those without a window are stretched.
  const { full_attention: full } = parameters as { readonly full_attention?: object }
  const stretched = full ? { ...parameters, full_attention: { ...full, ...scaling } } : { ...parameters, ...scaling }
  return { ...length, rope_parameters: stretched }
}

/**
 * config.json of the decoder alone, with the element type that its weights are given, which are quantised no more.
 * @param changed keys that say something else than those of the model's own
 */
function rewritten(said: Json, dtype: FloatDType | undefined, changed: Json): Buffer {
  const { quantization_config: _was, ...config } = textConfig(said)
  // transformers 5 writes "dtype" where earlier versions wrote "torch_dtype"; both are read.
  const key = 'dtype' in config ? 'dtype' : 'torch_dtype'
  return jsonBytes({
    ...config,
    ...(dtype && { [key]: torchNames[dtype] }),
    ...changed,
  })
}

/** What a GGUF file says, as a folder's files. */
function filesOfGguf({ gguf, ref }: ModelDescription, dtype: FloatDType, config: DecoderConfig): Map<string, Buffer> {
  const { tokenizerJson, configJson: tokenizerConfig } = gguf!.tokenizerFiles()
  const { path } = ref
  const tokenizer = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: config.maxPositions,
    clean_up_tokenization_spaces: false,
    ...(tokenizerConfig as object),
  }
  try {
    return new Map([
      ['config.json', jsonBytes({ ...configJson(config), torch_dtype: torchNames[dtype] })],
      ['tokenizer.json', Buffer.from(JSON.stringify(tokenizerJson))],
      ['tokenizer_config.json', jsonBytes(tokenizer)],
    ])
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error })
  }
}

/**
 * Files of the model, weights apart, by name: config.json, and what comes along. Those of a GGUF file are made of its
 * header.
 * @param dtype what the weights are given; as config.json has it when absent
 * @param config of the model as it is written, whose head may be tied no more, and its positions stretched
 */
export async function modelFiles(
  model: ModelDescription,
  dtype: FloatDType | undefined,
  config: DecoderConfig,
): Promise<Map<string, Buffer>> {
  if (model.gguf) return filesOfGguf(model, dtype ?? ggufDType, config)
  const { dir } = model.ref
  const files = new Map<string, Buffer>()
  const bytes = await readFile(join(dir, 'config.json'))
  const text = bytes.toString('utf8')
  const said = JSON.parse(text) as Json
  // What is written are floats, and of a model that sees pictures too its text part.
  const isOther = 'quantization_config' in said || textConfig(said) !== said
  const own = parseConfig(said, join(dir, 'config.json'))
  const isStretched = JSON.stringify(own.ropeScaling) !== JSON.stringify(config.ropeScaling)
  const changed: Json = {
    ...(model.config.tiedHead && !config.tiedHead && { tie_word_embeddings: false }),
    ...(isStretched && stretchedKeys(textConfig(said), config)),
  }
  const isChanged = Object.keys(changed).length > 0
  const written = dtype ?? ('quantization_config' in said ? ggufDType : undefined)
  files.set('config.json', isOther || isChanged || written !== undefined ? rewritten(said, written, changed) : bytes)
  for (const name of companionsOf(await readdir(dir))) files.set(name, await readFile(join(dir, name)))
  return files
}

/** What weights become that are unpacked from blocks, unless another type is asked for: no finer than blocks are. */
export const ggufDType: FloatDType = 'F16'

/** Writes the files; returns their names. */
export async function writeModelFiles(folder: string, files: ReadonlyMap<string, Buffer>): Promise<string[]> {
  for (const [name, bytes] of files) await writeFileAtomic(join(folder, name), bytes)
  return [...files.keys()]
}
