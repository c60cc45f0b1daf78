// Lowers a whole graph to one ONNX model.
import { posix, sep } from 'node:path'
import type { CompileGraph, CompileOptions, DeviceBuffer, FileRange } from '../backend/backend'
import { isOp, useCounts, type Graph, type Node, type Value } from '../ir/graph'
import { refuseCollective, type CollectiveOp, type OpName } from '../ir/op'
import { simplify } from '../jit/execute'
import { inRowBlocks } from '../jit/passes/row-blocks'
import { OnnxBuilder } from './builder'
import { decomposed } from './definitions'
import { Draws, type Draw } from './draws'
import { Int8Products, type Added, type Derived } from './quantised/int8'
import { attentionInputs, isAnyAttention, manyShapesLowerings, updatesInPlace, type InPlace } from './many-shapes'
import { encodeModel, type OnnxValue } from './model-proto'
import { onnxLowerings, type LowerContext } from './op-table'
import { PreparedWeights, type Prepared } from './prepared'
import { Unpacker } from './quantised/unpack'

export interface LoweredModel {
  readonly bytes: Uint8Array
  /** Folder that external data is relative to; undefined when no constant lives in a file. */
  readonly folder: string | undefined
  readonly inputNames: readonly string[]
  readonly outputs: readonly OnnxValue[]
  /** Inputs the worker makes before each run. */
  readonly draws: readonly Draw[]
  /** Constants that are fed on every run because they are not in a file. */
  readonly fed: readonly { readonly name: string; readonly buffer: DeviceBuffer }[]
  /** Inputs that are made of weights, once for all programs. */
  readonly derived: readonly Derived[]
  /** Initializers that are made with the session. */
  readonly prepared: readonly Prepared[]
  readonly inPlace: InPlace
}

/** What a device tells of its buffers. */
export interface Buffers {
  fileOf(buffer: DeviceBuffer): FileRange | undefined
  /** A number that no other buffer has. */
  idOf(buffer: DeviceBuffer): number
  /** The largest absolute code of an activation in products of 8 bits. */
  readonly int8Levels: 127 | 63
}

/** Longest folder that holds all `paths`. */
function commonFolder(paths: readonly string[]): string | undefined {
  const [first, ...others] = paths.map((p) => p.split(sep).slice(0, -1))
  if (!first) return undefined
  let length = first.length
  for (const other of others) {
    let same = 0
    while (same < length && other[same] === first[same]) same++
    length = same
  }
  return first.slice(0, length).join(sep) || sep
}

/** `mul(dot, scalar)` pairs of which the dot has no other reader: the factor goes into the product. */
function scaledDots(graph: Graph): Map<Node, { factor: number; product: Node }> {
  const uses = useCounts(graph)
  const folded = new Map<Node, { factor: number; product: Node }>()
  for (const node of graph.nodes) {
    if (!isOp(node, 'mul')) continue
    for (const [x, scalar] of [node.inputs, [...node.inputs].reverse()] as [Value, Value][]) {
      if (!isOp(x.node, 'dot') || uses.get(x) !== 1 || scalar.aval.shape.length !== 0 || !isOp(scalar.node, 'full'))
        continue
      folded.set(node, { factor: (scalar.node as Node<'full'>).params.value, product: x.node })
      break
    }
  }
  return folded
}

/** Whether a tensor is in its file as it is, so that a model can point there. */
export const isWhole = (range: FileRange | undefined): range is FileRange => range !== undefined && !range.pieces

/** `source` in what operators are written for: what {@link lowerGraph} and its parts take. */
export function lowerable(source: CompileGraph, { manyShapes = false }: CompileOptions = {}): CompileGraph {
  const graph = simplify(decomposed(source, (node) => manyShapes && isAnyAttention(node)))
  return manyShapes ? graph : inRowBlocks(graph)
}

/** How a graph is lowered: as a program, or as a part of one. */
export interface LowerOptions extends CompileOptions {
  /** Of a part, of which others may be alike: its inputs that are weights. */
  readonly weights?: ReadonlySet<Value> | undefined
}

/** @param graph as {@link lowerable} gives it */
export function lowerGraph(
  graph: CompileGraph,
  { fileOf, idOf, int8Levels }: Buffers,
  { donated = [], manyShapes = false, weights: given }: LowerOptions = {},
): LoweredModel {
  const isPart = given !== undefined
  const b = new OnnxBuilder()
  const names = new Map<Value, string>()
  const inputs: OnnxValue[] = []
  const declare = (value: Value): string => {
    const name = b.newName()
    names.set(value, name)
    // No tensor of the Node binding is bf16: the worker widens such a weight when it reads it, and casts to f32 do nothing.
    const dtype = value.aval.dtype === 'bf16' ? 'f32' : value.aval.dtype
    inputs.push({ name, dtype, dims: value.aval.shape })
    return name
  }
  const inputNames = graph.inputs.map(declare)

  const scaled = scaledDots(graph)
  const alphas = new Map([...scaled.values()].map(({ product, factor }) => [product, factor]))
  const constants = new Set([...graph.constants.map((c) => c.value), ...(given ?? [])])
  // What is prepared is given to a session as bytes, beside which it reads no files.
  // Vectors are fed to a part, whose model does not say then which layer's it is.
  const isFed = ({ aval }: Value) => manyShapes || (isPart && aval.shape.length < 2)
  const inFiles = graph.constants.map((c) => (isFed(c.value) ? undefined : fileOf(c.tensor.buffer)))
  const folder = commonFolder(inFiles.filter(isWhole).map(({ path }) => path))
  const fed = new Map<Value, { name: string; buffer: DeviceBuffer }>()
  const bufferOf = new Map(graph.constants.map((c) => [c.value, c.tensor.buffer]))
  const prepared = manyShapes
    ? new PreparedWeights(b, bufferOf, idOf, graph.nodes, (node) => alphas.has(node))
    : undefined
  graph.constants.forEach(({ value, tensor }, i) => {
    const range = inFiles[i]
    const vector = prepared?.vector(value)
    if (vector !== undefined) {
      names.set(value, vector)
      return
    }
    // A part of a matrix's columns is in the file in pieces, which a model cannot point at.
    if (!isWhole(range) || folder === undefined || value.aval.shape.includes(0)) {
      fed.set(value, { name: declare(value), buffer: tensor.buffer })
      return
    }
    const name = b.newName()
    names.set(value, name)
    const location = range.path.slice(folder.length).split(sep).filter(Boolean).join(posix.sep)
    b.initializers.push({
      name,
      dtype: value.aval.dtype,
      dims: value.aval.shape,
      data: { location, offset: range.offset, length: range.length },
    })
  })

  const inverseRms = new Map<string, string>()
  const draws = new Draws(b, inputs, names)
  const emit = (node: Node, inputNames: readonly string[]): readonly string[] => {
    const lower = (manyShapes ? manyShapesLowerings[node.op] : undefined) ?? onnxLowerings[node.op]
    if (lower === 'decompose') throw new Error(`${node.op} should have been decomposed`)
    if (lower === 'collective') return refuseCollective(node.op as CollectiveOp)
    const context = { b, node, alpha: alphas.get(node) ?? 1, inverseRms, draws } as unknown as LowerContext<OpName>
    const result = (lower as (inputs: readonly string[], context: LowerContext<OpName>) => string | readonly string[])(
      inputNames,
      context,
    )
    return typeof result === 'string' ? [result] : result
  }
  const weights = new Unpacker({ b, constants, fed: new Set(fed.keys()), names, emit })
  const int8 = manyShapes ? undefined : new Int8Products(b, inputs, bufferOf, int8Levels)
  const added = int8?.addedIn(graph) ?? new Map<Node, Added>()
  const later = new Set<Node>([...added.values()].flatMap(({ product, narrow }) => [product, narrow]))
  const productOf = (node: Node): string | undefined => {
    const alpha = alphas.get(node) ?? 1
    const nameOf = (value: Value) => weights.nameFor(value, node)
    const known = prepared?.productOf(node, nameOf, alpha)
    if (known !== undefined || alpha !== 1) return known
    const { product = node, narrow } = added.get(node) ?? {}
    return int8?.productOf(product, nameOf, narrow) ?? weights.productOf(node)
  }
  const readBy = (node: Node) => (manyShapes && isAnyAttention(node) ? attentionInputs(node) : node.inputs)
  const read = new Set(graph.outputs)
  for (const node of [...graph.nodes].reverse())
    if (node.outputs.some((value) => read.has(value))) for (const value of readBy(node)) read.add(value)
  for (const node of graph.nodes) {
    // What nobody reads would take a name, and models of many shapes, of which some have it, are to be one.
    if (!node.outputs.some((value) => read.has(value))) continue
    const fold = scaled.get(node)
    if (fold) {
      names.set(node.outputs[0]!, names.get(fold.product.outputs[0]!)!)
      continue
    }
    if (later.has(node) || node.outputs.some((v) => weights.nodeOf(v))) continue
    const own = weights.rowsOf(node) ?? productOf(node)
    const [first] = node.inputs
    // What is reshaped to the shape it has, and what is widened that is fed as f32, is there already.
    const same =
      (isOp(node, 'reshape') && node.params.shape.join() === first!.aval.shape.join()) ||
      (isOp(node, 'cast') && node.params.dtype === 'f32' && first!.aval.dtype === 'bf16' && fed.has(first!))
    const inputsOf = () => readBy(node).map((value) => weights.nameFor(value, node))
    const outputs = own === undefined ? (same ? inputsOf() : emit(node, inputsOf())) : [own]
    node.outputs.forEach((value, i) => names.set(value, outputs[i] ?? ''))
  }

  // Every output is a node's own result under a name of its own: what is one already needs no copy.
  const known = graph.outputs.map((value) => weights.nameFor(value))
  const made = new Set(b.nodes.flatMap((node) => node.outputs))
  const outputs = graph.outputs.map((value, i): OnnxValue => {
    const { dtype, shape: dims } = value.aval
    return { name: made.delete(known[i]!) ? known[i]! : b.node('Identity', [known[i]!]), dtype, dims }
  })
  const inPlace = manyShapes ? updatesInPlace(graph, useCounts(graph), donated) : []
  // Of what is prepared, the model reads nothing else; the keys of draws are read before it runs.
  const keys = draws.list.map(({ key }) => key)
  const readNames = new Set([...b.nodes.flatMap((node) => node.inputs), ...inputNames, ...keys])
  const isRead = ({ name }: { readonly name: string }) => readNames.has(name)
  const bytes = encodeModel({
    nodes: b.nodes,
    initializers: b.initializers.filter(isRead),
    values: manyShapes ? [] : b.values,
    inputs: inputs.filter(isRead),
    outputs,
    anyShape: manyShapes,
  })
  return {
    bytes,
    folder,
    inputNames,
    outputs,
    fed: [...fed.values()].filter(isRead),
    draws: draws.list,
    prepared: prepared?.list ?? [],
    derived: int8?.derived ?? [],
    inPlace,
  }
}
