// A large program as parts that run one after another: layers that are alike share one model, and what parts hand on is where a plan
// says, in memory that all programs share.
import type { CompileGraph, DeviceBuffer, FileRange } from '../backend/backend'
import { dtypeBytes } from '../dtype'
import { isOp, makeNode, type Graph, type Node, type Value } from '../ir/graph'
import type { Aval } from '../ir/op'
import { cut, graphKey, type Part } from '../jit/passes/cut'
import { planMemory } from '../jit/passes/memory-plan'
import { sizeOf } from '../shape'
import { isWhole } from './lower'

/** Programs of more nodes than this are whole training or decoding steps. */
export const largeProgram = 200

/** Fewer nodes than this are no stretch of their own where they belong to no part of the model, or to another for a moment. */
const ownStretch = 20

/** Where a part reads or makes a value: an input or an output of the whole program, or a place in the shared memory. */
export type Place =
  | { readonly input: number }
  | { readonly output: number }
  | { readonly offset: number; readonly dtype: Aval['dtype']; readonly dims: readonly number[] }

/** A part as a program of its own, its constants bound. */
export interface ProgramPart {
  readonly graph: CompileGraph
  readonly reads: readonly Place[]
  readonly makes: readonly Place[]
}

/** A program in parts, and the bytes of shared memory that it takes. */
export interface PartedProgram {
  readonly parts: readonly ProgramPart[]
  readonly sharedBytes: number
}

/** Nodes made of numbers and weights alone. They run where they are used: no unpacked weight is handed on. */
function freeNodes({ nodes, constants }: Graph): ReadonlySet<Node> {
  const bound = new Set(constants.map((c) => c.value))
  const free = new Set<Node>()
  for (const node of nodes) {
    const isMade = node.inputs.every((v) => bound.has(v) || (v.node !== null && free.has(v.node)))
    if (isMade && (node.inputs.length > 0 || isOp(node, 'full'))) free.add(node)
  }
  return free
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

const bytesOf = ({ dtype, shape }: Aval): number => dtypeBytes[dtype] * sizeOf(shape)

/** Places begin at multiples of this, as processors read vectors. */
const alignment = 64

/** `graph` with every output a value of its own that a node makes. */
function withOwnOutputs<T>(graph: Graph<T>, free: ReadonlySet<Node>): Graph<T> {
  const seen = new Set<Value>()
  const copies: Node[] = []
  const outputs = graph.outputs.map((value) => {
    const isOwn = value.node !== null && !free.has(value.node) && !seen.has(value)
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
 * one, or one whose layers read matrices that stay in their files, which make each layer's model one of its kind.
 * @param fileOf where a constant's bytes are in a file
 */
export function partsOf(
  source: CompileGraph,
  fileOf: (buffer: DeviceBuffer) => FileRange | undefined,
): PartedProgram | undefined {
  if (source.nodes.length <= largeProgram) return undefined
  const free = freeNodes(source)
  const graph = withOwnOutputs(source, free)
  const stretches = stretchesOf(graph.nodes.filter((node) => !free.has(node)))
  if (stretches.length < 4) return undefined
  const steps = cut(
    stretches.map((nodes) => ({ nodes })),
    { free, inputs: graph.inputs, outputs: graph.outputs },
  )
  const constants = new Map(graph.constants.map((c) => [c.value, c.tensor]))
  const isFiled = (value: Value) =>
    value.aval.shape.length > 1 && constants.has(value) && isWhole(fileOf(constants.get(value)!.buffer))
  if (2 * steps.filter(({ part }) => part?.reads.some(isFiled)).length > steps.length) return undefined

  const madeAt = new Map<Value, number>()
  const diesAt = new Map<Value, number>()
  steps.forEach(({ part, dead }, step) => {
    for (const value of part?.makes ?? []) madeAt.set(value, step)
    for (const value of dead) diesAt.set(value, step)
  })
  const places = new Map<Value, Place>()
  graph.inputs.forEach((value, input) => places.set(value, { input }))
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
  return {
    parts: steps.flatMap(({ part }) => (part ? [programOf(part, constants, places)] : [])),
    sharedBytes: plan.pageBytes[0] ?? 0,
  }
}

/** What a part reads of weights is bound to it. */
function programOf(
  { graph, reads, makes }: Part,
  constants: ReadonlyMap<Value, CompileGraph['constants'][number]['tensor']>,
  places: ReadonlyMap<Value, Place>,
): ProgramPart {
  const isBound = reads.map((value) => constants.has(value))
  const bound = graph.inputs.flatMap((value, i) => (isBound[i] ? [{ value, tensor: constants.get(reads[i]!)! }] : []))
  const placeOfValue = (value: Value) => places.get(value)!
  return {
    graph: { ...graph, inputs: graph.inputs.filter((_, i) => !isBound[i]), constants: bound },
    reads: reads.filter((_, i) => !isBound[i]).map(placeOfValue),
    makes: makes.map(placeOfValue),
  }
}

/** Text that is equal for parts that have one model: where draws begin is told when they are made. */
export const modelKey = ({ graph }: ProgramPart): string =>
  graphKey(graph, (node) => (isOp(node, 'dropout') ? { ...node.params, stream: 0 } : node.params))
