// Quantised weights that the worker unpacks before a part of a program runs: operators would go over each several times. See unpack.mjs.
import type { CompileGraph, DeviceBuffer } from '../../backend/backend'
import { isOp, type Node, type Value } from '../../ir/graph'
import { codebooks, groupSize } from '../../ir/ops/quantised'
import { takesRows } from './unpack'

/** Rows of a quantised weight, and what they are made from. */
export interface UnpackedWeight<Part = DeviceBuffer> {
  /** Codes, scales and perhaps minima of the whole weight. */
  readonly parts: readonly Part[]
  readonly bits: 4 | 8
  /** What codes stand for where they are not evenly spaced. */
  readonly codebook?: readonly number[]
  /** The first row. */
  readonly from: number
  /** Rows and columns. */
  readonly dims: readonly [number, number]
}

/** Codes of a group that are unpacked together. */
const unpackedTogether = { 4: 16, 8: 4 } as const

/** The whole weight that is unpacked to `node`, when the worker can. */
function weightOf({ node }: Value): Node<'dequantise'> | undefined {
  const [table] = takesRows(node) ? node.inputs : [undefined]
  const whole = table ? table.node : node
  if (!isOp(whole, 'dequantise') || whole.outputs[0]!.aval.shape.length !== 2) return undefined
  const { bits, dtype, int8 } = whole.params
  const [codes, ...numbers] = whole.inputs as [Value, Value, Value?]
  const areFloats = dtype === 'f32' && numbers.every((v) => v?.aval.dtype === 'f32')
  const isWhole = groupSize(codes.aval, numbers[0]!.aval, bits) % unpackedTogether[bits] === 0
  // Products in 8 bits are of the codes.
  return areFloats && isWhole && !int8 ? whole : undefined
}

/**
 * The values of `graph` that the worker unpacks.
 * @param made nodes made of numbers and weights alone: what they read is unpacked with them, where they are used
 */
export function unpackedWeights(graph: CompileGraph, made: ReadonlySet<Node>): ReadonlyMap<Value, UnpackedWeight> {
  const bufferOf = new Map(graph.constants.map((c) => [c.value, c.tensor.buffer]))
  const elsewhere = new Set(graph.outputs)
  // Of a table the rows that are asked for are unpacked alone.
  for (const node of graph.nodes)
    if (made.has(node) || isOp(node, 'gather')) for (const value of node.inputs) elsewhere.add(value)
  const found = new Map<Value, UnpackedWeight>()
  for (const node of graph.nodes) {
    const [value] = node.outputs as [Value]
    const whole = elsewhere.has(value) ? undefined : weightOf(value)
    if (!whole?.inputs.every((v) => bufferOf.has(v))) continue
    const { bits, codebook } = whole.params
    found.set(value, {
      parts: whole.inputs.map((v) => bufferOf.get(v)!),
      bits,
      ...(codebook ? { codebook: codebooks[codebook] } : {}),
      from: takesRows(node) ? node.params.starts[0]! : 0,
      dims: value.aval.shape as [number, number],
    })
  }
  return found
}
