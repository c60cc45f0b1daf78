// Weights that the worker makes floats of before a part of a program runs: operators would go over a quantised one several times, and a
// model that pointed at its own weights in a file would be one of its kind. See unpack.mjs.
import type { CompileGraph, DeviceBuffer, FileRange } from '../../backend/backend'
import { isOp, type Node, type Value } from '../../ir/graph'
import { codebooks, groupSize } from '../../ir/ops/quantised'
import { isWhole } from '../lower'
import { takesRows } from './unpack'

/** Which rows of a weight. */
interface Rows {
  /** The first row. */
  readonly from: number
  /** Rows and columns. */
  readonly dims: readonly [number, number]
}

/** Rows of a quantised weight, and what they are made from. */
export interface CodedWeight<Part = DeviceBuffer> extends Rows {
  /** Codes, scales and perhaps minima of the whole weight. */
  readonly parts: readonly Part[]
  readonly bits: 4 | 8
  /** What codes stand for where they are not evenly spaced. */
  readonly codebook?: readonly number[]
}

/** Rows of a matrix that is in its file in bf16. */
export interface FiledWeight<File = FileRange> extends Rows {
  readonly dtype: 'bf16'
  /** Where the whole matrix is. */
  readonly file: File
}

/** A tensor that programs read as it is in its file: f32, or f16 that operators widen, with several threads. */
export interface StoredWeight<File = FileRange> {
  readonly dtype: 'f16' | 'f32'
  readonly dims: readonly number[]
  readonly file: File
}

/** Where a matrix is, in a file that is held open. */
export interface HeldFile {
  readonly path: string
  readonly descriptor: number
  /** Of the matrix, in bytes. */
  readonly offset: number
  readonly length: number
}

export type UnpackedWeight<Part = DeviceBuffer, File = FileRange> = CodedWeight<Part> | FiledWeight<File>

/** Codes of a group that are unpacked together. */
const unpackedTogether = { 4: 16, 8: 4 } as const

/** What of a weight makes its floats, beside which rows they are. */
type Making = Omit<CodedWeight, keyof Rows> | Omit<FiledWeight, keyof Rows>

/** What the worker knows of a graph's constants. */
interface Constants {
  readonly bufferOf: ReadonlyMap<Value, DeviceBuffer>
  fileOf(buffer: DeviceBuffer): FileRange | undefined
}

/** By the op that gives a matrix of floats, how the worker makes it; undefined where it cannot, or need not. */
const makings: {
  readonly [K in 'dequantise' | 'cast']: (node: Node<K>, constants: Constants) => Making | undefined
} = {
  dequantise({ params, inputs }, { bufferOf }) {
    const { bits, codebook, dtype, int8 } = params
    const [codes, ...numbers] = inputs as [Value, Value, Value?]
    const areFloats = dtype === 'f32' && numbers.every((v) => v?.aval.dtype === 'f32')
    const isEven = groupSize(codes.aval, numbers[0]!.aval, bits) % unpackedTogether[bits] === 0
    // Products in 8 bits are of the codes.
    if (!areFloats || !isEven || int8 || !inputs.every((v) => bufferOf.has(v))) return undefined
    return {
      parts: inputs.map((v) => bufferOf.get(v)!),
      bits,
      ...(codebook ? { codebook: codebooks[codebook] } : {}),
    }
  },
  cast({ params, inputs }, { bufferOf, fileOf }) {
    const [stored] = inputs as [Value]
    const { dtype } = stored.aval
    const buffer = bufferOf.get(stored)
    const file = buffer && fileOf(buffer)
    // A part of a matrix's columns is in pieces.
    if (params.dtype !== 'f32' || dtype !== 'bf16' || !isWhole(file)) return undefined
    return { dtype, file }
  },
}

/** How the worker makes a matrix of floats. */
function makingOf({ node }: Value, constants: Constants): Making | undefined {
  if (isOp(node, 'dequantise')) return makings.dequantise(node, constants)
  return isOp(node, 'cast') ? makings.cast(node, constants) : undefined
}

/**
 * The values of `graph` that the worker makes floats of.
 * @param made nodes made of numbers and weights alone: what they read is unpacked with them, where they are used
 */
export function unpackedWeights(
  graph: CompileGraph,
  made: ReadonlySet<Node>,
  fileOf: Constants['fileOf'],
): ReadonlyMap<Value, UnpackedWeight> {
  const constants = { bufferOf: new Map(graph.constants.map((c) => [c.value, c.tensor.buffer])), fileOf }
  const elsewhere = new Set(graph.outputs)
  // Of a table the rows that are asked for are unpacked alone.
  for (const node of graph.nodes)
    if (made.has(node) || isOp(node, 'gather')) for (const value of node.inputs) elsewhere.add(value)
  const found = new Map<Value, UnpackedWeight>()
  for (const node of graph.nodes) {
    const [value] = node.outputs as [Value]
    if (elsewhere.has(value) || value.aval.shape.length !== 2) continue
    const rows = takesRows(node) ? node : undefined
    const making = makingOf(rows ? rows.inputs[0]! : value, constants)
    const dims = value.aval.shape as [number, number]
    if (making) found.set(value, { ...making, from: rows?.params.starts[0] ?? 0, dims })
  }
  return found
}

/** The matrices among a graph's constants that parts are given as they are in their files. */
export function storedWeights(
  { constants }: CompileGraph,
  fileOf: Constants['fileOf'],
): ReadonlyMap<Value, StoredWeight> {
  return new Map(
    constants.flatMap(({ value, tensor }) => {
      const { dtype, shape: dims } = value.aval
      const file = fileOf(tensor.buffer)
      const isStored = dims.length > 1 && !dims.includes(0) && isWhole(file)
      return isStored && (dtype === 'f16' || dtype === 'f32') ? [[value, { dtype, dims, file }] as const] : []
    }),
  )
}
