// A large program as parts that run one after another: layers that are alike share one model, what parts hand on is where a plan says, in
// memory that all programs share, and of the weights of a part the worker makes floats before it runs.
import type { CompileGraph, DeviceBuffer, FileRange } from '../backend/backend'
import { dtypeBytes } from '../dtype'
import { isOp, makeNode, type Graph, type Node, type Value } from '../ir/graph'
import type { Aval } from '../ir/op'
import { cut, graphKey, type Part } from '../jit/passes/cut'
import { planMemory } from '../jit/passes/memory-plan'
import { sizeOf } from '../shape'
import { packsWeights } from './prepared'
import { storedWeights, unpackedWeights, type StoredWeight, type UnpackedWeight } from './quantised/unpacked'

/** Programs of more nodes than this are whole training or decoding steps. */
export const largeProgram = 200

/** Fewer nodes than this are no stretch of their own where they belong to no part of the model, or to another for a moment. */
const ownStretch = 20

/** Unpacked weights of one part take up to this, or there is but one of them: a large layer is several parts. */
const mostUnpackedBytes = 2 ** 24

/** Where a part makes a value: as an output of the whole program, or in the shared memory. */
export type Place =
  | { readonly output: number }
  | { readonly offset: number; readonly dtype: Aval['dtype']; readonly dims: readonly number[] }

/** Where a part reads a value: where another made it, an input of the whole program, or a weight that is unpacked or as it is stored. */
export type Source<Part = DeviceBuffer, File = FileRange> =
  | Place
  | { readonly input: number }
  | { readonly weight: UnpackedWeight<Part, File> }
  | { readonly stored: StoredWeight<File> }

/** A part as a program of its own, its constants bound. */
export interface ProgramPart {
  readonly graph: CompileGraph
  /** Inputs of it that are weights. */
  readonly weights: ReadonlySet<Value>
  readonly reads: readonly Source[]
  readonly makes: readonly Place[]
}

/** A program in parts, and the bytes that it takes. */
export interface PartedProgram {
  readonly parts: readonly ProgramPart[]
  readonly sharedBytes: number
  /** Of the weights that are unpacked at once. */
  readonly unpackedBytes: number
}

/** Nodes made of numbers and weights alone. They run where they are used: no unpacked weight is handed on. */
function madeNodes({ nodes, constants }: Graph): ReadonlySet<Node> {
  const bound = new Set(constants.map((c) => c.value))
  const made = new Set<Node>()
  for (const node of nodes) {
    const isMade = node.inputs.every((v) => bound.has(v) || (v.node !== null && made.has(v.node)))
    if (isMade && (node.inputs.length > 0 || isOp(node, 'full'))) made.add(node)
  }
  return made
}

/** The outermost name of where in the model a node is: a layer's, or the head's. */
const placeOf = ({ scope }: Node): string => scope.split('/', 1)[0]!

/** Runs of nodes of one place: a layer's forward pass, its backward pass. */
function stretchesOf(nodes: readonly Node[]): Node[][] {
  const runs: Node[][] = []
  for (const node of nodes) {
    const run = runs.at(-1)
    if (run && placeOf(run[0]!) === placeOf(node)) run.push(node)
    else runs.push([node])
  }
  const stretches: Node[][] = []
  let place: string | undefined
  for (const [i, run] of runs.entries()) {
    const own = placeOf(run[0]!)
    const comesBack = runs[i + 1] !== undefined && placeOf(runs[i + 1]![0]!) === place
    const joins = own === place || (run.length < ownStretch && (own === '' || comesBack))
    if (joins && stretches.length > 0) stretches.at(-1)!.push(...run)
    else {
      stretches.push([...run])
      place = own
    }
  }
  return stretches
}

/** A stretch in pieces, none of which reads more unpacked weights than may be there at once. */
function pieces(nodes: readonly Node[], unpacked: ReadonlyMap<Value, UnpackedWeight>, mostBytes: number): Node[][] {
  const list: Node[][] = [[]]
  let [read, bytes] = [new Set<Value>(), 0]
  for (const node of nodes) {
    const more = node.inputs.filter((v) => unpacked.has(v) && !read.has(v))
    const added = more.reduce((n, { aval }) => n + bytesOf(aval), 0)
    if (read.size > 0 && bytes + added > mostBytes) {
      list.push([])
      ;[read, bytes] = [new Set(), 0]
    }
    list.at(-1)!.push(node)
    for (const value of more) read.add(value)
    bytes += added
  }
  return list
}

const bytesOf = ({ dtype, shape }: Aval): number => dtypeBytes[dtype] * sizeOf(shape)

/** Places begin at multiples of this, as processors read vectors. */
const alignment = 64

/** `graph` with every output a value of its own that a node makes. */
function withOwnOutputs<T>(graph: Graph<T>, made: ReadonlySet<Node>): Graph<T> {
  const seen = new Set<Value>()
  const copies: Node[] = []
  const outputs = graph.outputs.map((value) => {
    const isOwn = value.node !== null && !made.has(value.node) && !seen.has(value)
    seen.add(value)
    if (isOwn) return value
    const copy = makeNode('reshape', { shape: value.aval.shape }, [value])
    copies.push(copy)
    return copy.outputs[0]!
  })
  return copies.length === 0 ? graph : { ...graph, nodes: [...graph.nodes, ...copies], outputs }
}

/**
 * `graph` in parts, where several are of the same model's layers; undefined for a program that is better compiled whole: a small
 * one, or one whose products pack the f16 or f32 matrices of their files, which makes each layer's model one of its kind.
 * @param fileOf where a constant's bytes are in a file
 * @param mostBytes of unpacked weights in one part that reads several
 */
export function partsOf(
  source: CompileGraph,
  fileOf: (buffer: DeviceBuffer) => FileRange | undefined,
  mostBytes = mostUnpackedBytes,
): PartedProgram | undefined {
  if (source.nodes.length <= largeProgram) return undefined
  const made = madeNodes(source)
  const graph = withOwnOutputs(source, made)
  const stretches = stretchesOf(graph.nodes.filter((node) => !made.has(node)))
  if (stretches.length < 4) return undefined
  const unpacked = unpackedWeights(source, made, fileOf)
  const steps = cut(
    stretches.flatMap((nodes) => pieces(nodes, unpacked, mostBytes)).map((nodes) => ({ nodes })),
    {
      free: new Set([...made].filter((node) => !unpacked.has(node.outputs[0]!))),
      inputs: graph.inputs,
      outputs: graph.outputs,
    },
  )
  const constants = new Map(graph.constants.map((c) => [c.value, c.tensor]))
  const stored = storedWeights(graph, fileOf)
  const readStored = steps.filter(({ part }) => part?.reads.some((value) => stored.has(value))).length
  const bytesIn = new Map([...constants].map(([value, { buffer }]) => [value, fileOf(buffer)?.length ?? 0]))
  if (2 * readStored > steps.length && packsWeights(graph, bytesIn, false)) return undefined

  const madeAt = new Map<Value, number>()
  const diesAt = new Map<Value, number>()
  steps.forEach(({ part, dead }, step) => {
    for (const value of part?.makes ?? []) madeAt.set(value, step)
    for (const value of dead) diesAt.set(value, step)
  })
  const given = new Map<Value, Source>([...unpacked].map(([value, weight]) => [value, { weight }]))
  for (const [value, weight] of stored) given.set(value, { stored: weight })
  graph.inputs.forEach((value, input) => given.set(value, { input }))
  const places = new Map<Value, Place>()
  graph.outputs.forEach((value, output) => places.set(value, { output }))
  const shared = [...madeAt.keys()].filter((value) => !places.has(value))
  const plan = planMemory(
    shared.map((value) => ({
      bytes: bytesOf(value.aval),
      first: madeAt.get(value)!,
      last: diesAt.get(value) ?? madeAt.get(value)!,
    })),
    { alignment, maxPageBytes: Infinity },
  )
  shared.forEach((value, i) => {
    const { dtype, shape } = value.aval
    places.set(value, { offset: plan.places[i]!.offset, dtype, dims: shape })
  })
  const weightBytes = (reads: readonly Value[]) =>
    reads.reduce((n, value) => n + (unpacked.has(value) ? bytesOf(value.aval) : 0), 0)
  return {
    parts: steps.flatMap(({ part }) => (part ? [programOf(part, { constants, stored, places, given })] : [])),
    sharedBytes: plan.pageBytes[0] ?? 0,
    unpackedBytes: Math.max(0, ...steps.map(({ part }) => weightBytes(part?.reads ?? []))),
  }
}

/** What a part reads of a whole program: where values are, and which constants it is given as they are stored. */
interface Sources {
  readonly constants: ReadonlyMap<Value, CompileGraph['constants'][number]['tensor']>
  readonly stored: ReadonlyMap<Value, StoredWeight>
  readonly places: ReadonlyMap<Value, Place>
  readonly given: ReadonlyMap<Value, Source>
}

/** All other constants that a part reads are bound to it. */
function programOf({ graph, reads, makes }: Part, { constants, stored, places, given }: Sources): ProgramPart {
  const isBound = reads.map((value) => constants.has(value) && !stored.has(value))
  const bound = graph.inputs.flatMap((value, i) => (isBound[i] ? [{ value, tensor: constants.get(reads[i]!)! }] : []))
  return {
    graph: { ...graph, inputs: graph.inputs.filter((_, i) => !isBound[i]), constants: bound },
    weights: new Set(graph.inputs.filter((_, i) => stored.has(reads[i]!))),
    reads: reads.filter((_, i) => !isBound[i]).map((value) => (places.get(value) ?? given.get(value))!),
    makes: makes.map((value) => places.get(value)!),
  }
}

/** Text that is equal for parts that have one model: where draws begin is told when they are made. */
export const modelKey = ({ graph }: ProgramPart): string =>
  graphKey(graph, (node) => (isOp(node, 'dropout') ? { ...node.params, stream: 0 } : node.params))
