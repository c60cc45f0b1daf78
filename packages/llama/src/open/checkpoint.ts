// The weights of a model folder, where they stay until they are asked for: safetensors files as one source.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { openSafetensors, type SafetensorsFile } from '@jora/tensor/safetensors'
import type { FileRange, WeightEntry, WeightSource } from '@jora/tensor/weights'
import { ModelError, type DecoderConfig } from '../config/config'
import { CheckpointCheck } from './weights'

/** Files whose bytes say which model this is. */
export interface SampledFile {
  /** In bytes. */
  readonly length: number
  readFile(position: number, length: number): Promise<Uint8Array>
}

/** A source, and the files it reads. */
export interface OpenWeights extends WeightSource {
  readonly files: readonly SampledFile[]
}

/** Where a weight is, and under which name. */
interface Owner {
  readonly file: SafetensorsFile
  readonly stored: string
}

/** A weight's name in a decoder alone; a model that sees pictures too has its text part's under a name of their own. */
const textName = (stored: string): string =>
  stored
    .replace(/^(language_model\.model|model\.language_model)\./, 'model.')
    .replace(/^language_model\.lm_head\./, 'lm_head.')

const isOfPictures = (stored: string): boolean => /^(model\.)?(vision_tower|multi_modal_projector)\./.test(stored)

class SafetensorsSource implements OpenWeights {
  readonly entries = new Map<string, WeightEntry>()
  readonly files: SafetensorsFile[] = []
  readonly #owners = new Map<string, Owner>()

  add(file: SafetensorsFile, check: CheckpointCheck): void {
    this.files.push(file)
    for (const [stored, info] of file.tensors) {
      // Of a model that sees pictures too, its text part.
      if (isOfPictures(stored)) continue
      const name = textName(stored)
      check.add(file.path, { ...info, name })
      this.entries.set(name, { shape: info.shape, type: info.dtype, file: file.path })
      this.#owners.set(name, { file, stored })
    }
  }

  #owner(name: string): Owner {
    const owner = this.#owners.get(name)
    if (!owner) throw new ModelError(`the model has no weight ${name}`)
    return owner
  }

  range(name: string): FileRange {
    const { file, stored } = this.#owner(name)
    return file.range(stored)
  }

  read(name: string, from = 0, to = this.range(name).length, into?: Uint8Array): Promise<Uint8Array> {
    const { file, stored } = this.#owner(name)
    return file.readRange(stored, from, to, into)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of this.files) await file.close()
  }
}

/**
 * Paths of a folder's weight files.
 * @param files those that the model was found by, relative to `folder`
 * @throws ModelError when there are none, or one that an index names is missing
 */
export async function weightFiles(folder: string, files: readonly string[]): Promise<string[]> {
  const names = files.filter((name) => name.endsWith('.safetensors'))
  for (const name of names) {
    const found = await stat(join(folder, name)).catch(() => undefined)
    if (!found) throw new ModelError(`${join(folder, name)} does not exist`)
  }
  if (names.length > 0) return names.map((name) => join(folder, name))
  const others = (await readdir(folder)).filter((name) => /\.(bin|pt|pth|msgpack)$/.test(name))
  const only =
    others.length > 0 ? ` (only ${others.join(', ')}; convert it with transformers' save_pretrained first)` : ''
  throw new ModelError(`${folder} has no .safetensors file${only}`)
}

/**
 * Opens the safetensors files of the model in `folder` and reads their headers. All weights the config calls for are there,
 * with its shapes and in F32, F16 or BF16; others (rotary tables, a tied head saved all the same) come along.
 * @throws ModelError | SafetensorsError naming the file and tensor at fault
 */
export async function openCheckpoint(
  folder: string,
  paths: readonly string[],
  config: DecoderConfig,
): Promise<OpenWeights> {
  const source = new SafetensorsSource()
  const check = new CheckpointCheck(config)
  try {
    for (const path of paths) {
      const file = await openSafetensors(path)
      try {
        source.add(file, check)
      } catch (error) {
        await file.close()
        throw error
      }
    }
    check.finish(folder)
    return source
  } catch (error) {
    await source[Symbol.asyncDispose]()
    throw error
  }
}

const chunkBytes = 2 ** 23

/** Whether two weights of a checkpoint are the same, bit for bit. */
export async function sameWeights(source: OpenWeights, left: string, right: string): Promise<boolean> {
  const [a, b] = [source.entries.get(left)!, source.entries.get(right)!]
  if (a.type !== b.type || a.shape.join() !== b.shape.join()) return false
  const length = source.range!(left)!.length
  for (let from = 0; from < length; from += chunkBytes) {
    const to = Math.min(length, from + chunkBytes)
    const [x, y] = [await source.read(left, from, to), await source.read(right, from, to)]
    if (Buffer.compare(x, y) !== 0) return false
  }
  return true
}
