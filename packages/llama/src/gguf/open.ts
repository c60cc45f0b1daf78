// A GGUF file, or a set of them, as a model: its weights under their Hugging Face names, in Hugging Face order.
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { encodeFloats } from '@jora/tensor/safetensors'
import {
  blockBytesOf,
  decodeRows,
  openGguf,
  type FileRange,
  type GgufFile,
  type GgufTensorInfo,
  type WeightEntry,
  type WeightType,
} from '@jora/tensor/weights'
import { ModelError, type DecoderConfig } from '../config/config'
import { splitPartOf, splitParts } from '../hub/gguf-files'
import type { OpenWeights } from '../open/checkpoint'
import { weightShapes } from '../open/weights'
import { architectureOf, interleavedHeads, tensorName } from './architectures'
import { configOf, type RopeFactors } from './metadata-config'
import { MetadataReader } from './values'

/**
 * Files of the GGUF model that `path` names: a file, one of a split set, or a folder that holds one model. Undefined where it
 * is a folder in another layout, or no such place.
 * @throws ModelError when a part is missing, or a folder holds several models
 */
export async function ggufFiles(path: string): Promise<string[] | undefined> {
  const found = await stat(path).catch(() => undefined)
  if (found?.isFile()) return /\.gguf$/i.test(path) ? await partsOf(path) : undefined
  if (!found?.isDirectory()) return undefined
  const names = await readdir(path)
  if (names.includes('config.json')) return undefined
  const models = names.filter((name) => /\.gguf$/i.test(name) && (splitPartOf(name)?.part ?? 1) === 1).sort()
  if (models.length > 1)
    throw new ModelError(`${path} holds ${models.length} GGUF models (${models.join(', ')}); name one of them`)
  return models.length === 0 ? undefined : await partsOf(join(path, models[0]!))
}

async function partsOf(path: string): Promise<string[]> {
  const names = splitParts(basename(path))
  if (names.length === 1) return [path]
  const there = new Set(await readdir(dirname(path)))
  const missing = names.filter((name) => !there.has(name))
  if (missing.length > 0)
    throw new ModelError(`${path} is one of ${names.length} parts, of which ${missing.join(', ')} is not beside it`)
  return names.map((name) => join(dirname(path), name))
}

interface Stored {
  readonly file: GgufFile
  readonly info: GgufTensorInfo
}

/** Tensors that rotary frequencies are divided by. */
const ropeTensors: Readonly<Record<keyof RopeFactors, string>> = {
  all: 'rope_freqs.weight',
  short: 'rope_factors_short.weight',
  long: 'rope_factors_long.weight',
}

const typeNames: Readonly<Record<string, WeightType>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' }

class GgufSource implements OpenWeights {
  readonly entries = new Map<string, WeightEntry>()

  constructor(
    readonly files: readonly GgufFile[],
    readonly config: DecoderConfig,
    readonly stored: ReadonlyMap<string, Stored>,
  ) {
    const used = new Set<string>(Object.values(ropeTensors))
    for (const [name, shape] of weightShapes(config)) {
      const own = tensorName(name, config)
      used.add(own)
      const found = stored.get(own)
      if (!found) throw new ModelError(`${files[0]!.path} lacks ${own}`)
      const { type, shape: there } = found.info
      if (there.join() !== shape.join())
        throw new ModelError(
          `${found.file.path}: ${own} has shape [${there.join(',')}], the metadata call for [${shape.join(',')}]`,
        )
      this.entries.set(name, { shape, type: typeNames[type] ?? (type as WeightType), file: found.file.path })
    }
    const strange = [...stored.keys()].find((name) => !used.has(name))
    if (strange !== undefined)
      throw new ModelError(
        `${files[0]!.path} has the tensor ${strange}, which the ${architectureOf(config).arch} decoder here does not compute`,
      )
  }

  #of(name: string): Stored {
    return this.stored.get(tensorName(name, this.config))!
  }

  /** Whether the bytes in the file are the weight's, in its order. */
  #isPlain(name: string): boolean {
    return interleavedHeads(name, this.config) === 0 && !this.#isOffset(name)
  }

  /** Norms whose 1 is added in the file. */
  #isOffset(name: string): boolean {
    return this.config.normOffset !== 0 && name.endsWith('norm.weight')
  }

  range(name: string): FileRange | undefined {
    const { file, info } = this.#of(name)
    return this.#isPlain(name) ? file.range(info.name) : undefined
  }

  async read(name: string, from = 0, to = this.#of(name).info.bytes, into?: Uint8Array): Promise<Uint8Array> {
    const { file, info } = this.#of(name)
    if (this.#isPlain(name)) return file.readRange(info.name, from, to, into)
    const bytes = await file.readRange(info.name, 0, info.bytes)
    if (this.#isOffset(name)) {
      const { normOffset } = this.config
      const values = decodeRows(bytes, info.type).map((value) => value - normOffset)
      return encodeFloats(values, typeNames[info.type] as 'F32').subarray(from, to)
    }
    return halvesApart(bytes, info, this.config.headDim).subarray(from, to)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.files) await file[Symbol.asyncDispose]()
  }
}

/**
 * Rows of whole heads in Hugging Face's order, which has the two halves of a rotated pair half a head apart, from llama.cpp's,
 * which has them side by side. Rows are whole blocks, so that they move without being unpacked.
 */
function halvesApart(bytes: Uint8Array, { shape, type }: GgufTensorInfo, headDim: number): Uint8Array {
  const rowBytes = shape.length === 1 ? blockBytesOf(type, 1) : blockBytesOf(type, shape[1]!)
  const out = new Uint8Array(bytes.length)
  for (let row = 0; row < shape[0]!; row++) {
    const inHead = row % headDim
    const to = row - inHead + (inHead >> 1) + (inHead & 1) * (headDim / 2)
    out.set(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), to * rowBytes)
  }
  return out
}

/** A GGUF model, its header read. */
export interface GgufModel {
  readonly config: DecoderConfig
  readonly metadata: MetadataReader
  readonly weights: OpenWeights
}

/** @throws ModelError | GgufError naming the file and the key or tensor at fault */
export async function openGgufFiles(paths: readonly string[]): Promise<GgufModel> {
  const files: GgufFile[] = []
  try {
    for (const path of paths) files.push(await openGguf(path))
    const stored = new Map<string, Stored>()
    for (const file of files)
      for (const [name, info] of file.tensors) {
        const twice = stored.get(name)
        if (twice) throw new ModelError(`${file.path}: tensor ${name} is also in ${twice.file.path}`)
        stored.set(name, { file, info })
      }
    const metadata = new MetadataReader(files[0]!.metadata, files[0]!.path)
    const factors: Record<string, readonly number[]> = {}
    for (const [kind, name] of Object.entries(ropeTensors)) {
      const found = stored.get(name)
      if (!found) continue
      const { file, info } = found
      factors[kind] = [...decodeRows(await file.readRange(name, 0, info.bytes), info.type)]
    }
    const config = configOf(metadata, new Map([...stored].map(([name, { info }]) => [name, info])), factors)
    return { config, metadata, weights: new GgufSource(files, config, stored) }
  } catch (error) {
    for (const file of files) await file[Symbol.asyncDispose]()
    throw error
  }
}
