// The weights of a folder that bitsandbytes, GPTQ or AWQ quantised: unpacked as they are read, one at a time.
import { openSafetensors, type SafetensorsFile, type TensorInfo } from '@jora/tensor/safetensors'
import type { FileRange, WeightEntry } from '@jora/tensor/weights'
import { ModelError, type DecoderConfig } from '../config/config'
import type { OpenWeights } from './checkpoint'
import type { Packing, Part, Parts } from './packed-weights'
import { weightShapes } from './weights'

interface Stored {
  readonly file: SafetensorsFile
  readonly info: TensorInfo
}

/** A weight that is made of several tensors. */
interface Packed {
  readonly packing: Packing
  readonly parts: ReadonlyMap<string, Stored>
  readonly shape: readonly [number, number]
}

class PackedSource implements OpenWeights {
  readonly entries = new Map<string, WeightEntry>()
  readonly #plain = new Map<string, Stored>()
  readonly #packed = new Map<string, Packed>()
  #last: { readonly name: string; readonly bytes: Uint8Array } | undefined

  constructor(readonly files: readonly SafetensorsFile[]) {}

  /** Finds every weight of `config` among the files' tensors. @throws ModelError naming one that is not there */
  async find(config: DecoderConfig, packings: readonly Packing[], folder: string): Promise<void> {
    const tensors = new Map<string, Stored>()
    const modules = new Map<string, Map<string, Stored>>()
    const wanted = weightShapes(config)
    const names = [...wanted.keys()].map((name) => name.replace(/\.weight$/, ''))
    const isModule = new Set(names)
    for (const file of this.files)
      for (const [name, info] of file.tensors) {
        const stored = { file, info }
        tensors.set(name, stored)
        const [, module = '', rest = ''] = /^(.*?_proj|lm_head)\.(.*)$/.exec(name) ?? []
        if (!isModule.has(module)) continue
        const parts = modules.get(module) ?? new Map<string, Stored>()
        modules.set(module, parts.set(rest, stored))
      }
    for (const [name, shape] of wanted) {
      const parts = modules.get(name.replace(/\.weight$/, ''))
      const packing = name.endsWith('.weight') && parts && packings.find((p) => p.has(new Set(parts.keys())))
      const plain = tensors.get(name)
      if (packing) {
        const file = [...parts.values()][0]!.file.path
        const packed = { packing, parts, shape: shape as [number, number] }
        this.#packed.set(name, packed)
        const small = new Map([...parts].filter(([part]) => part.startsWith('weight.quant_state.')))
        this.entries.set(name, { shape, type: packing.dtype(await partsOf(small)), file })
      } else if (plain) {
        const { file, info } = plain
        if (info.shape.join() !== shape.join() || !['F32', 'F16', 'BF16'].includes(info.dtype))
          throw new ModelError(
            `${file.path}: ${name} is ${info.dtype} of shape [${info.shape.join(',')}], expected floats of [${shape.join(',')}]`,
          )
        this.#plain.set(name, plain)
        this.entries.set(name, { shape, type: info.dtype, file: file.path })
      } else throw new ModelError(`${folder} lacks ${name}`)
    }
  }

  range(name: string): FileRange | undefined {
    return this.#plain.get(name)?.file.range(name)
  }

  async read(name: string, from = 0, to = Infinity): Promise<Uint8Array> {
    const plain = this.#plain.get(name)
    if (plain) return plain.file.readRange(name, from, Math.min(to, plain.file.range(name).length))
    if (this.#last?.name !== name) this.#last = { name, bytes: await this.#unpack(name) }
    return this.#last.bytes.slice(from, to)
  }

  async #unpack(name: string): Promise<Uint8Array> {
    const { packing, parts, shape } = this.#packed.get(name)!
    try {
      return packing.unpack(await partsOf(parts), shape)
    } catch (error) {
      throw new ModelError(`${this.entries.get(name)!.file}: ${name} ${(error as Error).message}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.files) await file.close()
  }
}

async function partsOf(stored: ReadonlyMap<string, Stored>): Promise<Parts> {
  const parts = new Map<string, Part>()
  for (const [rest, { file, info }] of stored) {
    const bytes = await file.readRange(info.name, 0, file.range(info.name).length)
    parts.set(rest, { dtype: info.dtype, shape: info.shape, bytes })
  }
  return parts
}

/**
 * Opens the safetensors files of a quantised model. Its weights are floats to whoever reads them.
 * @throws ModelError | SafetensorsError naming the file and tensor at fault
 */
export async function openPacked(
  folder: string,
  paths: readonly string[],
  config: DecoderConfig,
  packings: readonly Packing[],
): Promise<OpenWeights> {
  const files: SafetensorsFile[] = []
  const source = new PackedSource(files)
  try {
    for (const path of paths) files.push(await openSafetensors(path))
    await source.find(config, packings, folder)
    return source
  } catch (error) {
    await source[Symbol.asyncDispose]()
    throw error
  }
}
