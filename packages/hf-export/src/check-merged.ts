// checkMerged, checkPeft: a written model or adapter folder read back and held against what it was made from.
import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describeModel, indexFile, modelFiles, openModel, type OpenModel } from '@jora/llama'
import { loraScaling, readAdapter, type ModuleArrays } from '@jora/lora'
import { decodeFloats, encodeFloats, floatBytes, isFloatDType } from '@jora/tensor/safetensors'
import type { WeightEntry } from '@jora/tensor/weights'
import { ExportError } from './export-error'
import { MergedTensors } from './merged-tensors'

/** What a check of a written folder found. */
export interface FolderReport {
  readonly tensors: number
  /** Bytes of all tensors. */
  readonly bytes: number
  /** The largest distance of a stored value from the float32 one it was rounded from. */
  readonly maxError: number
}

/** The folder to check, and what it was made from. */
export interface CheckMergedOptions {
  readonly modelDir: string
  /** Folder of the adapter that was merged; absent for a model that was written without one. */
  readonly adapterDir?: string | undefined
  /** Folder that {@link mergeAdapter} wrote. */
  readonly outputDir: string
}

const shapeOf = (shape: readonly number[]): string => `[${shape.join(',')}]`

/** The largest rounding error of `name`, whose stored bytes are those that rounding the merged rows gives. */
async function checkTensor(source: MergedTensors, name: string, { weights }: OpenModel): Promise<number> {
  const { type: dtype, file: path } = weights.entries.get(name)!
  if (!isFloatDType(dtype)) {
    let from = 0
    for await (const part of source.stored(name)) {
      const to = from + part.length
      if (Buffer.compare(part, await weights.read(name, from, to)) !== 0)
        throw new ExportError(`${path}: ${name} differs from the model's`)
      from = to
    }
    return 0
  }
  let at = 0
  let largest = 0
  for await (const { values } of source.rows(name)) {
    const bytes = values.length * floatBytes[dtype]
    const found = await weights.read(name, at, at + bytes)
    const expected = encodeFloats(values, dtype)
    if (Buffer.compare(found, expected) !== 0) {
      const element = Math.floor(found.findIndex((byte, i) => byte !== expected[i]) / floatBytes[dtype])
      throw new ExportError(
        `${path}: ${name} differs from W + scale·B·A at element ${at / floatBytes[dtype] + element}: ${decodeFloats(found, dtype)[element]}, expected ${decodeFloats(expected, dtype)[element]}`,
      )
    }
    const decoded = decodeFloats(found, dtype)
    for (let i = 0; i < values.length; i++) {
      const error = Math.abs(decoded[i]! - values[i]!)
      if (error > largest) largest = error
    }
    at += bytes
  }
  return largest
}

/** @throws ExportError when the folder's index, where there is one, names another file of a tensor than the one it is in */
async function checkIndex(folder: string, stored: ReadonlyMap<string, WeightEntry>): Promise<void> {
  const path = join(folder, indexFile)
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  if (text === undefined) return
  const { weight_map: named } = JSON.parse(text) as { weight_map: Record<string, string> }
  for (const name of new Set([...stored.keys(), ...Object.keys(named)])) {
    const place = stored.get(name)
    const file = place && basename(place.file)
    if (named[name] !== file)
      throw new ExportError(`${path}: ${name} should be in ${named[name] ?? 'no file'}, but is in ${file ?? 'none'}`)
  }
}

/**
 * Reads a folder that mergeAdapter wrote, as any program would, and compares all of it with the model and adapter it came
 * from: the configuration, names, shapes, the index and every tensor's bytes, streamed; tokenizer and template files byte for byte.
 * @throws ExportError at the first difference, naming file and tensor; as mergeAdapter for folders that cannot be read
 */
export async function checkMerged({ modelDir, adapterDir, outputDir }: CheckMergedOptions): Promise<FolderReport> {
  await using source = await MergedTensors.open(modelDir, adapterDir)
  await using output = await openModel(outputDir, { local: true })
  const { config } = output
  if (JSON.stringify(config) !== JSON.stringify(source.config))
    throw new ExportError(
      `${join(outputDir, 'config.json')} describes another model than ${join(modelDir, 'config.json')}`,
    )
  for (const [name, bytes] of await modelFiles(source.model, undefined, source.config)) {
    if (name === 'config.json') continue
    const written = await readFile(join(outputDir, name)).catch(() => undefined)
    if (!written?.equals(bytes)) throw new ExportError(`${join(outputDir, name)} is not the model's`)
  }
  const stored = output.weights.entries
  const odd = [...source.tensors.keys(), ...stored.keys()].find(
    (name) => !source.tensors.has(name) || !stored.has(name),
  )
  if (odd !== undefined)
    throw new ExportError(`${outputDir}: ${odd} is ${stored.has(odd) ? 'not a tensor of the model' : 'missing'}`)
  await checkIndex(outputDir, stored)
  let [bytes, maxError] = [0, 0]
  for (const [name, { file, shape }] of stored) {
    const { shape: expected } = source.tensors.get(name)!
    if (shape.join() !== expected.join())
      throw new ExportError(`${file}: ${name} has shape ${shapeOf(shape)}, expected ${shapeOf(expected)}`)
    maxError = Math.max(maxError, await checkTensor(source, name, output))
    bytes += output.weights.range!(name)!.length
  }
  return { tensors: stored.size, bytes, maxError }
}

/** The numbers of an adapter's module, by the name of each part. */
const partsOf = (parts: ModuleArrays): Map<string, Float32Array> =>
  new Map(
    Object.entries(parts).map(([part, values]: [string, Float32Array | { readonly data: Float32Array }]) => [
      part,
      'data' in values ? values.data : values,
    ]),
  )

/**
 * Reads an adapter that exportPeft wrote and compares it with the one it came from: modules, scales and every value.
 * @throws ExportError at the first difference
 */
export async function checkPeft({
  modelDir,
  adapterDir,
  outputDir,
}: CheckMergedOptions & { readonly adapterDir: string }): Promise<FolderReport> {
  const { config: model } = await describeModel(modelDir, { local: true })
  const [from, to] = [await readAdapter(adapterDir, model), await readAdapter(outputDir, model)]
  const modules = [...new Set([...Object.keys(from.adapter), ...Object.keys(to.adapter)])]
  const [before, after] = [from, to].map(({ config }) => JSON.stringify(config.trainableTokenIndices))
  if (before !== after)
    throw new ExportError(`${outputDir}: trainable_token_indices is ${after ?? 'null'}, expected ${before ?? 'null'}`)
  let [tensors, bytes] = [0, 0]
  for (const module of modules) {
    const [before, after] = [from.adapter[module], to.adapter[module]]
    if (!before || !after)
      throw new ExportError(`${outputDir}: module ${module} is ${after ? 'not of the adapter' : 'missing'}`)
    const [scale, expected] = [loraScaling(to.config, module), loraScaling(from.config, module)]
    if (scale !== expected)
      throw new ExportError(`${outputDir}: the scale of ${module} is ${scale}, expected ${expected}`)
    const [ofFrom, ofTo] = [partsOf(before), partsOf(after)]
    for (const part of new Set([...ofFrom.keys(), ...ofTo.keys()])) {
      const [from, to] = [ofFrom.get(part), ofTo.get(part)]
      const wrong = from?.findIndex((value, i) => !Object.is(value, to?.[i])) ?? 0
      if (wrong >= 0 || from?.length !== to?.length)
        throw new ExportError(
          `${outputDir}: ${part} of ${module} is ${to?.[wrong]} at element ${wrong}, expected ${from?.[wrong]}`,
        )
      tensors++
      bytes += to!.byteLength
    }
  }
  return { tensors, bytes, maxError: 0 }
}
