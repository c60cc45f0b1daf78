// Weights that bitsandbytes, GPTQ and AWQ quantised, unpacked as their own code unpacks them.
import { showValue } from '@jora/tensor'
import { decodeFloats, encodeFloats, type FloatDType } from '@jora/tensor/safetensors'
import { ModelError } from '../config/config'

/** One of the tensors that a module's weight is packed into. */
export interface Part {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: Uint8Array
}

/** Those of a module by the end of their names: `weight`, `weight.absmax`, `qweight`, … */
export type Parts = ReadonlyMap<string, Part>

/** A way in which modules' weights are packed. */
export interface Packing {
  /** Whether a module's tensors, by the ends of their names, are packed so. */
  readonly has: (parts: ReadonlySet<string>) => boolean
  /** The type that weights are unpacked to: 16 bits where the library's own arithmetic rounds to them. */
  readonly dtype: (parts: Parts) => FloatDType
  /** The weight, `[out, in]`, as its type's bytes. @throws ModelError for a layout that is not read */
  readonly unpack: (parts: Parts, shape: readonly [rows: number, columns: number]) => Uint8Array
}

const floatTypes: Readonly<Record<string, FloatDType>> = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' }

function part(parts: Parts, name: string): Part {
  const found = parts.get(name)
  if (!found) throw new ModelError(`lacks ${name}`)
  return found
}
const floats = (parts: Parts, name: string): Float32Array => {
  const { dtype, bytes } = part(parts, name)
  if (dtype !== 'F32' && dtype !== 'F16' && dtype !== 'BF16') throw new ModelError(`${name} is ${dtype}`)
  return decodeFloats(bytes, dtype)
}
const words = (parts: Parts, name: string): Int32Array => {
  const { dtype, bytes } = part(parts, name)
  if (dtype !== 'I32') throw new ModelError(`${name} is ${dtype}, expected I32`)
  return new Int32Array(bytes.slice().buffer)
}

const statePrefix = 'weight.quant_state.'

/** What bitsandbytes keeps of a 4-bit weight, as JSON in a tensor. */
interface State {
  readonly dtype: string
  readonly blocksize: number
  readonly shape: readonly number[]
  readonly nested_blocksize?: number
  readonly nested_offset?: number
}

function stateOf(parts: Parts): State {
  const name = [...parts.keys()].find((key) => key.startsWith(statePrefix))
  if (name === undefined) throw new ModelError('has no quant_state')
  return JSON.parse(new TextDecoder().decode(part(parts, name).bytes)) as State
}

/** Scales of the blocks: floats, or themselves numbers of a table, scaled by block, about an offset. */
function blockScales(parts: Parts, state: State): Float32Array {
  if (!parts.has('weight.nested_absmax')) return floats(parts, 'weight.absmax')
  const { bytes } = part(parts, 'weight.absmax')
  const [table, scales] = [floats(parts, 'weight.nested_quant_map'), floats(parts, 'weight.nested_absmax')]
  const { nested_blocksize: size = 256, nested_offset: offset = 0 } = state
  return Float32Array.from(bytes, (code, i) => Math.fround(table[code]! * scales[Math.floor(i / size)]!) + offset)
}

/** nf4 and fp4: two numbers of a table of 16 a byte, the first in its high half, with a scale a block. */
const fourBit: Packing = {
  has: (parts) => [...parts].some((name) => name.startsWith(statePrefix)),
  dtype: (parts) => floatTypes[stateOf(parts).dtype] ?? 'F32',
  unpack(parts, [rows, columns]) {
    const state = stateOf(parts)
    if (state.shape.join() !== [rows, columns].join())
      throw new ModelError(`is of shape [${state.shape.join(',')}], config.json calls for [${rows},${columns}]`)
    const { bytes } = part(parts, 'weight')
    const [table, scales] = [floats(parts, 'weight.quant_map'), blockScales(parts, state)]
    const out = new Float32Array(rows * columns)
    if (bytes.length * 2 !== out.length) throw new ModelError(`has ${bytes.length} bytes of ${out.length} 4-bit values`)
    for (let i = 0; i < out.length; i++) {
      const byte = bytes[i >> 1]!
      out[i] = table[i & 1 ? byte & 15 : byte >> 4]! * scales[Math.floor(i / state.blocksize)]!
    }
    return encodeFloats(out, floatTypes[state.dtype] ?? 'F32')
  },
}

/** LLM.int8: a scale a row, 127 levels to each side. */
const eightBit: Packing = {
  has: (parts) => parts.has('SCB'),
  dtype: () => 'F16',
  unpack(parts, [rows, columns]) {
    const { bytes, dtype } = part(parts, 'weight')
    if (dtype !== 'I8' || bytes.length !== rows * columns) throw new ModelError(`is ${dtype} of ${bytes.length} values`)
    const scales = floats(parts, 'SCB')
    const levels = new Int8Array(bytes.slice().buffer)
    const step = Math.fround(1 / 127)
    return encodeFloats(
      Float32Array.from(levels, (level, i) => Math.fround(level * scales[Math.floor(i / columns)]!) * step),
      'F16',
    )
  },
}

/** Levels, zero points and scales of a group of inputs: (level − zero) · scale, in f16. */
function grouped(
  [rows, columns]: readonly [number, number],
  scales: Float32Array,
  level: (input: number, output: number) => number,
  zero: (group: number, output: number) => number,
): Uint8Array {
  const groupSize = (columns * rows) / scales.length
  if (!Number.isInteger(groupSize) || groupSize < 1) throw new ModelError(`has ${scales.length} scales`)
  const out = new Float32Array(rows * columns)
  for (let output = 0; output < rows; output++)
    for (let input = 0; input < columns; input++) {
      const group = Math.floor(input / groupSize)
      out[output * columns + input] = (level(input, output) - zero(group, output)) * scales[group * rows + output]!
    }
  return encodeFloats(out, 'F16')
}

const nibble = (word: number, at: number): number => (word >>> (4 * at)) & 15

/**
 * GPTQ: eight inputs a word, the zero points' eight outputs a word.
 * @param offset what its format adds to stored zero points
 */
const gptq = (offset: number): Packing => ({
  has: (parts) => parts.has('qweight'),
  dtype: () => 'F16',
  unpack(parts, shape) {
    const [rows, columns] = shape
    const [levels, zeros, scales] = [words(parts, 'qweight'), words(parts, 'qzeros'), floats(parts, 'scales')]
    const groupSize = (columns * rows) / scales.length
    if (parts.has('g_idx') && words(parts, 'g_idx').some((group, i) => group !== Math.floor(i / groupSize)))
      throw new ModelError('is quantised in an order of its own (desc_act), which is not read')
    return grouped(
      shape,
      scales,
      (input, output) => nibble(levels[(input >> 3) * rows + output]!, input & 7),
      (group, output) => nibble(zeros[(group * rows + output) >> 3]!, output & 7) + offset,
    )
  },
})

/** Where AWQ has the output of that place among eight in a word. */
const awqPlaces = [0, 4, 1, 5, 2, 6, 3, 7]

/** AWQ as its gemm kernels read it: eight outputs a word, in an order of their own. */
const awq: Packing = {
  has: (parts) => parts.has('qweight'),
  dtype: () => 'F16',
  unpack(parts, shape) {
    const [rows] = shape
    const [levels, zeros] = [words(parts, 'qweight'), words(parts, 'qzeros')]
    const at = (packed: Int32Array, row: number, output: number) =>
      nibble(packed[(row * rows + output) >> 3]!, awqPlaces[output & 7]!)
    return grouped(
      shape,
      floats(parts, 'scales'),
      (input, output) => at(levels, input, output),
      (group, output) => at(zeros, group, output),
    )
  },
}

/**
 * How a model is packed, by `quantization_config` of its config.json; undefined for one that is not.
 * @param source names config.json in errors
 * @throws ModelError naming a way that is not read
 */
export function packingOf(config: unknown, source: string): readonly Packing[] | undefined {
  const said = (config as Record<string, unknown> | null)?.quantization_config ?? undefined
  if (said === undefined) return undefined
  const keys = said as Readonly<Record<string, unknown>>
  const refuse = (what: string): never => {
    throw new ModelError(
      `${source}: the model is quantised with ${what}, which is not read; read are bitsandbytes (4 bits, int8), GPTQ of 4 bits without desc_act, and AWQ's gemm. Its original, or a GGUF file of it, will do`,
    )
  }
  const text = (value: unknown): string => (typeof value === 'string' ? value : showValue(value))
  const method = text(
    keys.quant_method ?? (keys.load_in_4bit || keys.load_in_8bit ? 'bitsandbytes' : 'no quant_method'),
  )
  const bits = Number(keys.bits ?? keys.w_bit ?? 4)
  if (method === 'bitsandbytes') return [fourBit, eightBit]
  if (method !== 'gptq' && method !== 'awq') return refuse(method)
  if (bits !== 4) return refuse(`${method} of ${bits} bits`)
  if (method === 'gptq') return [gptq(keys.checkpoint_format === 'gptq_v2' ? 0 : 1)]
  const version = text(keys.version ?? 'gemm').toLowerCase()
  return version === 'gemm' ? [awq] : refuse(`awq's ${version}`)
}
