// Weights that were trained whole, on disk: a model's folder in Hugging Face layout, which is a checkpoint's too.
import {
  modelFiles,
  storedType,
  weightShapes,
  writeModel,
  type DecoderConfig,
  type OpenModel,
  type WrittenTensor,
} from '@jora/llama'
import type { Tensor } from '@jora/tensor'
import {
  decodeFloats,
  encodeFloats,
  isFloatDType,
  isSafetensorsDType,
  safetensorsBytes,
  type FloatDType,
  type SafetensorsDType,
  type SafetensorsEntry,
} from '@jora/tensor/safetensors'
import { decodeRows } from '@jora/tensor/weights'
import { ConfigError } from '../../settings/config-error'
import type { LoraConfig } from '../../settings/lora-config'
import type { SaveDType } from '../../settings/table/adapter'
import type { Adapter } from '../adapter'
import { downloadAdapter, type AdapterArrays, type ModuleArrays } from '../host'
import { isLowRank } from '../methods/method'
import { readMatrix, type AdapterWeights } from '../peft/peft'
import { replacedModules } from '../replaced/modules'
import { tensorName } from './weights'

/** The file of a checkpoint's weights. */
export const wholeWeightsFile = 'model.safetensors'

const bytesOf = (data: ArrayBufferView): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** Bytes of a weight that are copied at a time. */
const blockBytes = 2 ** 22

const savedTypes: Readonly<Record<Exclude<SaveDType, 'auto'>, FloatDType>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' }

/** @throws ConfigError for a base in blocks, where weights are trained themselves */
export function checkFloats({ weights, config: model }: Pick<OpenModel, 'weights' | 'config'>, lora: LoraConfig): void {
  if (!lora.whole) return
  for (const name of weightShapes(model).keys()) {
    const { type, file } = weights.entries.get(name)!
    if (!isSafetensorsDType(type) || !isFloatDType(type))
      throw new ConfigError(
        `${file}: ${name} is ${type}, expected F32, F16 or BF16: a quantised model's own weights are not trained, an adapter is (finetuningType lora)`,
        'finetuningType',
      )
  }
}

/** A weight as the model's files have it, f32, row-major. */
export const readFloats = async ({ weights }: Pick<OpenModel, 'weights'>, name: string): Promise<Float32Array> =>
  decodeRows(await weights.read(name), storedType(weights.entries.get(name)!.type))

/** Tensors shaped as the trained weights, such as moments, under the names of their weights, f32. */
export async function wholeEntries(tree: Adapter): Promise<SafetensorsEntry<Uint8Array>[]> {
  return Object.entries(await downloadAdapter(tree)).map(([module, parts]) => {
    if (isLowRank(parts) || !('weight' in parts)) throw new TypeError(`${module} is not trained whole`)
    const { data, shape } = parts.weight
    return { name: tensorName(module), dtype: 'F32', shape, data: bytesOf(data) }
  })
}

/**
 * The weights of {@link wholeEntries}, or of a model's folder, that training changes.
 * @param partly whether some may be missing: trees that an optimiser has of some weights alone
 * @throws ConfigError naming the tensor at fault
 */
export async function readWhole(
  file: AdapterWeights,
  path: string,
  model: DecoderConfig,
  config: LoraConfig,
  partly = false,
): Promise<AdapterArrays> {
  const arrays: Record<string, ModuleArrays> = {}
  for (const { name, shape, base } of replacedModules(model, config))
    if (!partly || file.tensors.has(base))
      arrays[name] = { weight: { data: await readMatrix(file, path, base, shape), shape } }
  return arrays
}

/**
 * Writes the model with the trained weights in place of its own, and its other files, into `folder`.
 * @param dtype of all floats; `auto`: each as the model has it
 * @returns names of the files
 * @throws RangeError for a weight that does not fit `dtype`
 */
export async function writeWholeModel(
  folder: string,
  model: OpenModel,
  adapter: Adapter,
  { dtype, trained, maxShardBytes }: { dtype: SaveDType; trained?: FloatDType; maxShardBytes?: number },
): Promise<string[]> {
  const wanted = dtype === 'auto' ? undefined : savedTypes[dtype]
  const own = new Map<string, Tensor>(
    Object.entries(adapter).flatMap(([module, parts]) =>
      'weight' in parts ? [[tensorName(module), parts.weight] as const] : [],
    ),
  )
  const tensors = [...model.weights.entries].map(([name, { type, shape, file }]): WrittenTensor => {
    if (!isSafetensorsDType(type))
      throw new ConfigError(`${file}: ${name} is ${type}, which a model's folder cannot hold`)
    const changed = own.get(name)
    const written = isFloatDType(type) ? ((changed && trained) ?? wanted ?? type) : type
    return {
      name,
      dtype: written,
      shape,
      async *data() {
        if (!changed || !isFloatDType(written)) return yield* stored(model, name, written)
        yield encoded((await changed.data()) as Float32Array, written, name)
      },
    }
  })
  const files = await modelFiles(model, wanted, model.config)
  files.delete('prompt.json') // How the model was asked before; the run says it anew.
  return await writeModel(folder, { tensors, files, maxShardBytes })
}

/** A weight of the model's files, a part at a time. */
async function* stored({ weights }: OpenModel, name: string, dtype: SafetensorsDType): AsyncGenerator<Uint8Array> {
  const { type, shape } = weights.entries.get(name)!
  const length = safetensorsBytes(type as SafetensorsDType, shape)!
  for (let at = 0; at < length; at += blockBytes) {
    const part = await weights.read(name, at, Math.min(length, at + blockBytes))
    if (type === dtype || !isFloatDType(dtype)) yield part
    else yield encoded(decodeFloats(part, type as FloatDType), dtype, name)
  }
}

function encoded(values: Float32Array, dtype: FloatDType, name: string): Uint8Array {
  try {
    return encodeFloats(values, dtype)
  } catch (error) {
    throw new RangeError(`${name}: ${(error as Error).message}; save it with saveDtype bf16 or f32`, { cause: error })
  }
}
