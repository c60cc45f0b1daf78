// A CPU device that plans and runs nothing: what a program keeps at once is counted, in the order in which it runs.
import type { CompileGraph, Device, DeviceBuffer, Executable, FileRange, MemoryStats } from '../backend/backend'
import { dtypeBytes, hostArray, type HostArray } from '../dtype'
import { isOp, type Graph, type Node, type Value } from '../ir/graph'
import type { Aval, OpName } from '../ir/op'
import { sizeOf } from '../shape'
import { decomposed } from './definitions'
import { lowerable } from './lower'
import { modelKey, partsOf } from './parts'
import { productWeight } from './quantised/dequantise'
import { int8Weight } from './quantised/int8'
import { takesRows } from './quantised/unpack'

/** Ops that give their first input under another name. */
const views = new Set<OpName>(['reshape', 'barrier', 'stopGradient', 'shardingConstraint'])

const bytesOf = ({ dtype, shape }: Aval): number => dtypeBytes[dtype] * sizeOf(shape)

/** The value in whose memory `value` is. */
function stored(value: Value): Value {
  const { node } = value
  if (!node) return value
  // A product takes a scalar factor along.
  const factor = isOp(node, 'mul')
    ? node.inputs.find((v) => isOp(v.node, 'full') && v.aval.shape.length === 0)
    : undefined
  const scaled = factor && node.inputs.find((v) => isOp(v.node, 'dot'))
  const source = scaled ?? (views.has(node.op) ? node.inputs[0] : undefined)
  return source ? stored(source) : value
}

/** The most bytes that values between inputs and outputs take at once. @param weights inputs that are weights */
function peakOf(graph: Graph, weights: ReadonlySet<Value> = new Set()): number {
  const constants = new Set([...graph.constants.map(({ value }) => value), ...weights])
  /** Weights of 16 bits or fewer are f32 while a part of the model reads them, and only then. */
  const isUnpacked = ({ node }: Value): boolean => {
    if (takesRows(node)) {
      const [table] = node.inputs as [Value]
      return !table.node || (!takesRows(table.node) && isUnpacked(table))
    }
    return (
      node !== null && (node.op === 'cast' || node.op === 'dequantise') && node.inputs.every((v) => constants.has(v))
    )
  }
  const changes = new Float64Array(graph.nodes.length + 1)
  const keep = (bytes: number, first: number, last: number): void => {
    changes[first]! += bytes
    changes[last + 1]! -= bytes
  }
  const made = new Map<Value, number>()
  const last = new Map<Value, number>()
  const unpacked = new Map<Value, Map<string, { first: number; last: number }>>()
  const unpack = (value: Value, reader: Node, at: number): void => {
    if (isOp(reader, 'gather') || [productWeight, int8Weight].some((of) => of(reader)?.outputs[0] === value)) return
    const places = unpacked.get(value) ?? new Map<string, { first: number; last: number }>()
    unpacked.set(value, places)
    const place = `${reader.scope} ${reader.region}`
    places.set(place, { first: places.get(place)?.first ?? at, last: at })
  }
  graph.nodes.forEach((node, at) => {
    if (node.outputs.some(isUnpacked)) return
    for (const input of node.inputs) {
      const value = stored(input)
      if (isUnpacked(value)) unpack(value, node, at)
      else last.set(value, at)
    }
    for (const value of node.outputs) if (stored(value) === value) made.set(value, at)
  })
  const outputs = new Set(graph.outputs.map(stored))
  // Outputs are written where they are kept: what holds them is counted by whoever asked.
  for (const [value, at] of made)
    if (!outputs.has(value) && last.has(value)) keep(bytesOf(value.aval), at, last.get(value)!)
  for (const [value, places] of unpacked)
    for (const place of places.values()) keep(bytesOf(value.aval), place.first, place.last)
  let [now, peak] = [0, 0]
  for (const change of changes) {
    now += change
    peak = Math.max(peak, now)
  }
  return peak
}

/** What a process takes before it opens a model: Node, the runtime, and a tokenizer. */
const processBytes = 130e6

/** What the runtime keeps of each node of a model. */
const nodeBytes = 5e3

/** The arena's memory over what values take: it is cut into pieces that not every value fits. */
const arenaShare = 1.25

/**
 * The same of a program in parts, which has no arena: the process's heap keeps holes between what lives long and what does not.
 * Steps of 512 to 8,192 tokens of a model of 135M are then told within 4 %.
 */
const heapShare = 6

/** What tracing and lowering a program in parts leave in the heaps of JavaScript and of the process. */
const tracedBytes = 60e6

class PlannedBuffer implements DeviceBuffer {
  /** Whether its bytes are counted: a tensor in a file is from the first program that reads it. */
  counted = false
  /** Whether it is there once more with columns as rows, for products in 8 bits. */
  turned = false
  constructor(
    readonly device: CpuPlan,
    readonly aval: Aval,
    readonly file?: FileRange,
  ) {}
}

/** Counts what a run would take on the CPU; one of its processes, where there are several. Reads give zeros. */
class CpuPlan implements Device {
  readonly kind = 'cpu'
  readonly name = 'plan for the CPU'
  readonly computeDTypes = ['f32'] as const
  #bytes = processBytes
  #peakBytes = processBytes
  #shared = 0

  #add(bytes: number): void {
    this.#bytes += bytes
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes)
  }

  #count(buffer: DeviceBuffer): void {
    const own = buffer as PlannedBuffer
    if (own.counted) return
    own.counted = true
    this.#add(bytesOf(own.aval))
  }

  upload(_data: HostArray, aval: Aval): DeviceBuffer {
    const buffer = new PlannedBuffer(this, aval)
    this.#count(buffer)
    return buffer
  }

  fromFile(range: FileRange, aval: Aval): DeviceBuffer {
    return new PlannedBuffer(this, aval, range)
  }

  compile(source: CompileGraph): Executable {
    const graph = lowerable(source)
    // Parts of a quantised weight are in no file as they are held.
    const packed = new Set(graph.nodes.filter((node) => isOp(node, 'dequantise')).flatMap(({ inputs }) => inputs))
    const unpacked = new Set(graph.constants.filter((c) => packed.has(c.value)).map((c) => c.tensor.buffer))
    const parted = partsOf(graph, (buffer) => (unpacked.has(buffer) ? undefined : (buffer as PlannedBuffer).file))
    const models = parted ? new Map(parted.parts.map((part) => [modelKey(part), part])) : undefined
    const graphs = models ? [...models.values()].map((part) => part.graph) : [graph]
    const kept = graphs.reduce((n, { nodes }) => n + nodeBytes * nodes.length, 0)
    this.#add(kept)
    for (const { tensor } of graph.constants) this.#count(tensor.buffer)
    this.#turn(graph)
    if (parted) this.#share(parted.sharedBytes + parted.unpackedBytes)
    const peak = models
      ? tracedBytes + heapShare * Math.max(...[...models.values()].map((part) => peakOf(part.graph, part.weights)))
      : arenaShare * peakOf(graph)
    return {
      ready: Promise.resolve(),
      run: (inputs) => {
        inputs.forEach((buffer) => this.#count(buffer))
        const outputs = graph.outputs.map(({ aval }) => new PlannedBuffer(this, aval))
        outputs.forEach((buffer) => this.#count(buffer))
        this.#add(peak)
        this.#add(-peak)
        return outputs
      },
      release: () => this.#add(-kept),
    }
  }

  /** Counts the codes that products in 8 bits multiply by: for x Wᵀ, once for all programs; dy W has those that are there. */
  #turn({ nodes, constants }: CompileGraph): void {
    const bufferOf = new Map(constants.map(({ value, tensor }) => [value, tensor.buffer]))
    for (const node of nodes) {
      const weight = int8Weight(node)
      const buffer = weight && bufferOf.get(weight.inputs[0]!)
      if (!weight || !buffer || !isOp(node, 'dot') || !node.params.transposeB) continue
      const own = buffer as PlannedBuffer
      if (own.turned) continue
      own.turned = true
      this.#add(sizeOf(weight.outputs[0]!.aval.shape))
    }
  }

  /** What parts of programs hand on, and their unpacked weights, are in memory that the largest of them needs. */
  #share(bytes: number): void {
    this.#add(Math.max(0, bytes - this.#shared))
    this.#shared = Math.max(bytes, this.#shared)
  }

  decomposed<T>(graph: Graph<T>): Graph<T> {
    return decomposed(graph)
  }

  read(buffer: DeviceBuffer): Promise<HostArray> {
    return Promise.resolve(hostArray(buffer.aval.dtype, sizeOf(buffer.aval.shape)))
  }

  async readInto(): Promise<void> {}

  release(buffer: DeviceBuffer): void {
    const own = buffer as PlannedBuffer
    if (!own.counted) return
    own.counted = false
    this.#add(-bytesOf(own.aval))
  }

  memory(): Promise<MemoryStats> {
    return Promise.resolve({ bytes: this.#bytes, peakBytes: this.#peakBytes })
  }

  async synchronize(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Opens a device that only plans: `memory` says what a process on the CPU would take, itself included. */
export const openCpuPlan = (): Device => new CpuPlan()
