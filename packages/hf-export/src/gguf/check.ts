// checkGguf: a written GGUF file read back and held, byte for byte, against the model it came from.
import { ConfigError } from '@jora/lora'
import { decodeRows, GgufError, openGguf, type GgufFile, type GgufValue, type Metadata } from '@jora/tensor/weights'
import { MergedTensors } from '../merged-tensors'
import { planAdapter, type GgufAdapterOptions } from './adapter'
import type { GgufOptions } from './export'
import { fileTypes, type FileType } from './file-types'
import { encodeNamed, planModel, type Plan, type PlannedTensor } from './plan'

/** What a check of a GGUF file found. */
export interface GgufReport {
  readonly tensors: number
  /** Length of the file. */
  readonly bytes: number
  /** The largest distance of a value in the file from the float32 one it was rounded from. */
  readonly maxError: number
}

/** The type most tensors have, which the metadata names. */
function fileType(file: GgufFile): FileType {
  const value = file.metadata.get('general.file_type')?.value
  const found = Object.entries(fileTypes).find(([, { id }]) => id === value)
  if (!found) throw new GgufError(`${file.path}: general.file_type is ${String(value)}, none that JORA writes`)
  return found[0] as FileType
}

const show = (value: GgufValue | undefined): string => {
  const text = value?.type === 'array' ? `${value.of}[${value.value.length}]` : JSON.stringify(value?.value, bigints)
  return text === undefined ? 'missing' : text.slice(0, 80)
}
const bigints = (_key: string, value: unknown): unknown => (typeof value === 'bigint' ? String(value) : value)

function checkMetadata(path: string, found: Metadata, expected: Metadata): void {
  for (const key of new Set([...expected.keys(), ...found.keys()])) {
    const [there, wanted] = [found.get(key), expected.get(key)]
    if (JSON.stringify(there, bigints) !== JSON.stringify(wanted, bigints))
      throw new GgufError(`${path}: ${key} is ${show(there)}, expected ${show(wanted)}`)
  }
}

function checkLayout(file: GgufFile, tensors: readonly PlannedTensor[]): void {
  if (file.length !== file.end)
    throw new GgufError(`${file.path}: has ${file.length} bytes; its header calls for ${file.end}`)
  const names = [...file.tensors.keys()]
  for (const [i, { name, type, shape }] of tensors.entries()) {
    const there = file.tensors.get(names[i] ?? '')
    if (there?.name !== name)
      throw new GgufError(`${file.path}: tensor ${i} is ${there?.name ?? 'missing'}, expected ${name}`)
    if (there.type !== type) throw new GgufError(`${file.path}: ${name} is ${there.type}, expected ${type}`)
    if (there.shape.join() !== shape.join())
      throw new GgufError(`${file.path}: ${name} has shape [${there.shape.join(',')}], expected [${shape.join(',')}]`)
  }
  if (names.length > tensors.length)
    throw new GgufError(`${file.path}: tensor ${names[tensors.length]} is not the model's`)
}

/** The largest rounding error of a tensor whose bytes are what rounding its rows again gives. */
async function checkTensor(file: GgufFile, { name, type, rows }: PlannedTensor): Promise<number> {
  let at = 0
  let largest = 0
  for await (const values of rows()) {
    const expected = encodeNamed(name, values, type)
    const found = await file.readRange(name, at, at + expected.length)
    if (Buffer.compare(found, expected) !== 0) {
      const byte = found.findIndex((value, i) => value !== expected[i])
      throw new GgufError(
        `${file.path}: ${name} differs from its source at byte ${at + byte}: ${found[byte]}, expected ${expected[byte]}`,
      )
    }
    const decoded = decodeRows(found, type)
    for (let i = 0; i < values.length; i++) {
      const error = Math.abs(decoded[i]! - values[i]!)
      if (error > largest) largest = error
    }
    at += expected.length
  }
  return largest
}

async function checkPlan(file: GgufFile, { metadata, tensors }: Plan): Promise<GgufReport> {
  checkMetadata(file.path, file.metadata, metadata)
  checkLayout(file, tensors)
  let maxError = 0
  for (const tensor of tensors) maxError = Math.max(maxError, await checkTensor(file, tensor))
  return { tensors: tensors.length, bytes: file.length, maxError }
}

/**
 * Reads a file that `exportGguf` wrote and compares all of it with the model (and adapter) it came from: format, metadata,
 * names, shapes, types, places, and every tensor's bytes, streamed. The file says what type it was written as.
 * @throws GgufError at the first difference, naming the key or tensor; as exportGguf for a source that cannot be used
 */
export async function checkGguf({
  output,
  modelDir,
  adapterDir,
}: Pick<GgufOptions, 'output' | 'modelDir' | 'adapterDir'>): Promise<GgufReport> {
  await using file = await openGguf(output)
  await using source = await MergedTensors.open(modelDir, adapterDir)
  return await checkPlan(file, await planModel(source, { modelDir, adapterDir }, fileType(file))) // awaited before the files close
}

/**
 * Checks a file that `exportGgufAdapter` wrote, as {@link checkGguf} checks a model's.
 * @throws GgufError at the first difference; ConfigError for a file of a type that adapters do not have; as
 * exportGgufAdapter for a source that cannot be used
 */
export async function checkGgufAdapter({
  output,
  modelDir,
  adapterDir,
}: Pick<GgufAdapterOptions, 'output' | 'modelDir' | 'adapterDir'>): Promise<GgufReport> {
  await using file = await openGguf(output)
  const type = fileType(file)
  if (type !== 'f32' && type !== 'f16' && type !== 'bf16')
    throw new ConfigError(`${output} is ${type}, no type of an adapter`)
  return await checkPlan(file, await planAdapter(modelDir, adapterDir, type)) // awaited before the file closes
}
