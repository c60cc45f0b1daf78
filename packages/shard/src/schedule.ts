// Cuts a device's program at its collectives: segments that run on the device, and exchanges between them.
import { add, concat, dtypeBytes, maximum, pad, reshape, sizeOf, slice, Tensor } from '@jora/tensor'
import {
  apply,
  isCollective,
  isOp,
  leafValue,
  makeNode,
  Trace,
  withTrace,
  type Graph,
  type Node,
  type OpParams,
  type Value,
} from '@jora/tensor/graph'

/** Sums up to this size that are due together travel as one message. */
const bundledBytes = 2 ** 20

/** Sums above this size between more than two devices are made in parts: each device adds one, and hands it round. */
const wholeBytes = 2 ** 15

/** What devices of a group send one another. */
export interface Exchange {
  readonly op: 'allReduce' | 'allGather' | 'reduceScatter'
  readonly axes: readonly string[]
  readonly count: number
  /** One value that goes to all, or one for each device of the group. */
  readonly outgoing: readonly Value[]
  /** What comes from each device of the group; from itself, what it sends itself. */
  readonly parts: readonly Value[]
  /** Where in the model it stands. */
  readonly scope: string
}

/** Nodes that run one after another on a device, as a program of their own. */
export interface Segment {
  /** The program; its inputs and outputs stand for `reads` and `makes`. */
  readonly graph: Graph
  readonly reads: readonly Value[]
  readonly makes: readonly Value[]
}

export interface ScheduleStep {
  readonly segment: Segment | undefined
  /** Runs while the exchanges of the step before are under way: nothing in it waits for them. */
  readonly overlaps: boolean
  /** Started once the segment has run. */
  readonly exchanges: readonly Exchange[]
  /** Values that nothing after this step reads. */
  readonly dead: readonly Value[]
}

export interface Schedule {
  readonly inputs: readonly Value[]
  readonly constants: readonly Value[]
  readonly steps: readonly ScheduleStep[]
  /** Each a value of its own: no input, and none twice. */
  readonly outputs: readonly Value[]
}

const bytesOf = ({ aval }: Value): number => sizeOf(aval.shape) * dtypeBytes[aval.dtype]

/** Nodes made of constants and numbers alone. They run where they are used, as often as that is. */
function freeNodes(graph: Graph): ReadonlySet<Node> {
  const free = new Set<Node>()
  const constants = new Set(graph.constants.map((c) => c.value))
  for (const node of graph.nodes)
    if (!isCollective(node.op) && node.inputs.every((v) => constants.has(v) || (v.node !== null && free.has(v.node))))
      free.add(node)
  return free
}

/** Segments that pass until what a node makes can be read: an exchange has arrived before the next. */
const took = (node: Node): number => (isCollective(node.op) ? 1 : 0)

/**
 * The segment each node runs in, and after which each collective is started. Nodes run as soon as they can. Sums are made as
 * late as they may be: those of many gradients, which nothing waits for, are then due together. Parts are gathered and
 * scattered when a node has all else it needs: earlier they would take memory, later what waits with them would.
 */
function levelsOf(graph: Graph, free: ReadonlySet<Node>): Map<Node, number> {
  const earliest = new Map<Node, number>()
  const levels = new Map<Node, number>()
  const forward = (into: Map<Node, number>, startOf: (node: Node, ready: number) => number) => {
    for (const node of graph.nodes) {
      if (free.has(node)) continue
      const ready = node.inputs.map(({ node: from }) => (from && into.has(from) ? into.get(from)! + took(from) : 0))
      into.set(node, startOf(node, Math.max(0, ...ready)))
    }
  }
  forward(earliest, (_node, ready) => ready)
  // What is only returned has to be there at the end, and no earlier.
  const end = Math.max(0, ...[...earliest].map(([node, level]) => level + took(node)))
  const latest = new Map<Node, number>()
  for (const node of [...graph.nodes].reverse()) {
    if (free.has(node)) continue
    const own = latest.get(node) ?? end - took(node)
    latest.set(node, own)
    for (const { node: from } of node.inputs)
      if (from && !free.has(from)) latest.set(from, Math.min(latest.get(from) ?? end, own - took(from)))
  }
  const wanted = wantedAt(graph, earliest)
  forward(levels, (node, ready) => {
    if (!isCollective(node.op)) return ready
    return Math.max(ready, node.op === 'allReduce' ? latest.get(node)! : (wanted.get(node) ?? ready))
  })
  return levels
}

/** After which segment the first reader of each collective has all its other inputs. */
function wantedAt(graph: Graph, earliest: ReadonlyMap<Node, number>): Map<Node, number> {
  const wanted = new Map<Node, number>()
  for (const reader of graph.nodes) {
    const ready = reader.inputs.map(({ node }) => (node ? (earliest.get(node) ?? 0) + took(node) : 0))
    reader.inputs.forEach(({ node }, i) => {
      if (!node || !isCollective(node.op)) return
      const others = Math.max(ready[i]!, ...ready.filter((_, j) => j !== i)) - 1
      wanted.set(node, Math.min(wanted.get(node) ?? Infinity, others))
    })
  }
  return wanted
}

/** Nodes by segment: of each level first what runs, then the collectives. */
function byLevel(nodes: readonly Node[], levels: ReadonlyMap<Node, number>): { runs: Node[]; collectives: Node[] }[] {
  const result: { runs: Node[]; collectives: Node[] }[] = []
  for (const node of nodes) {
    const level = levels.get(node)
    if (level === undefined) continue
    while (result.length <= level) result.push({ runs: [], collectives: [] })
    if (isCollective(node.op)) result[level]!.collectives.push(node)
    else result[level]!.runs.push(node)
  }
  return result
}

/** Rebuilds a graph level by level; `collectives` says what becomes of those of one level. */
function rebuild<T>(
  graph: Graph<T>,
  collectives: (nodes: readonly Node[], inputOf: (node: Node) => Tensor) => readonly Tensor[],
): Graph<T> {
  const free = freeNodes(graph)
  const trace = new Trace()
  const tensors = new Map<Value, Tensor>()
  const of = (value: Value): Tensor => tensors.get(value) ?? Tensor.fromTrace(trace, value)
  return withTrace(trace, () => {
    const run = (node: Node) => {
      trace.scope = node.scope
      const same = node.inputs.every((v) => !tensors.has(v))
      if (same) trace.nodes.push(node)
      else trace.record(node.op, node.inputs.map(of), node.params).forEach((t, i) => tensors.set(node.outputs[i]!, t))
    }
    graph.nodes.filter((node) => free.has(node)).forEach(run)
    for (const level of byLevel(graph.nodes, levelsOf(graph, free))) {
      level.runs.forEach(run)
      const made = collectives(level.collectives, (node) => ((trace.scope = node.scope), of(node.inputs[0]!)))
      level.collectives.forEach((node, i) => tensors.set(node.outputs[0]!, made[i]!))
    }
    return {
      inputs: graph.inputs,
      constants: graph.constants,
      nodes: trace.nodes,
      outputs: graph.outputs.map((value) => of(value).traced!.value),
    }
  })
}

const flat = (x: Tensor): Tensor => reshape(x, [x.size])

/** Small sums that are due together become one. */
function bundle<T>(graph: Graph<T>): Graph<T> {
  return rebuild(graph, (nodes, inputOf) => {
    const groups = new Map<string, Node[]>()
    for (const node of nodes) {
      const [input] = node.inputs
      const small = node.op === 'allReduce' && bytesOf(input!) <= bundledBytes
      const key = small ? JSON.stringify([node.params, input!.aval.dtype]) : `alone ${groups.size}`
      groups.set(key, [...(groups.get(key) ?? []), node])
    }
    const made = new Map<Node, Tensor>()
    for (const group of groups.values()) {
      if (group.length === 1) {
        const [node] = group as [Node]
        made.set(node, apply(node.op, [inputOf(node)], node.params))
        continue
      }
      const inputs = group.map(inputOf)
      const { axes, count, reduction } = group[0]!.params as OpParams['allReduce']
      const sums = apply('allReduce', [concat(inputs.map(flat))], { axes, count, reduction })
      let at = 0
      group.forEach((node, i) => {
        made.set(node, reshape(slice(sums, [at], [(at += inputs[i]!.size)]), inputs[i]!.shape))
      })
    }
    return nodes.map((node) => made.get(node)!)
  })
}

/** Large sums between many devices: each device sums one part and sends it round, which moves twice the value and not n times. */
function splitLargeSums<T>(graph: Graph<T>): Graph<T> {
  return rebuild(graph, (nodes, inputOf) =>
    nodes.map((node) => {
      const x = inputOf(node)
      const params = node.params as OpParams['allReduce']
      const large =
        isOp(node, 'allReduce') &&
        params.reduction === 'sum' &&
        params.count > 2 &&
        bytesOf(node.inputs[0]!) > wholeBytes
      if (!large) return apply(node.op, [x], node.params)
      const { axes, count } = params
      const extra = (count - (x.size % count)) % count
      const parts = reshape(pad(flat(x), [0], [extra]), [count, (x.size + extra) / count])
      const sums = apply('allGather', [apply('reduceScatter', [parts], { axes, count, dim: 0 })], {
        axes,
        count,
        dim: 0,
      })
      return reshape(slice(flat(sums), [0], [x.size]), x.shape)
    }),
  )
}

/** Values of one level's nodes become a program whose inputs are leaves, in the order in which they are first read. */
function segmentOf(nodes: readonly Node[], free: ReadonlySet<Node>, makes: readonly Value[]): Segment | undefined {
  if (makes.length === 0) return undefined
  const inside = new Set<Node>(nodes)
  const mapped = new Map<Value, Value>()
  const [reads, inputs, own]: [Value[], Value[], Node[]] = [[], [], []]
  const of = (value: Value): Value => {
    const known = mapped.get(value)
    if (known) return known
    const { node } = value
    if (node && (inside.has(node) || free.has(node))) {
      const copy = makeNode(node.op, node.params, node.inputs.map(of), node.scope)
      own.push(copy)
      node.outputs.forEach((output, i) => mapped.set(output, copy.outputs[i]!))
      return mapped.get(value)!
    }
    const leaf = leafValue(value.aval)
    mapped.set(value, leaf)
    reads.push(value)
    inputs.push(leaf)
    return leaf
  }
  // In the order of the program, so that equal layers give equal segments.
  for (const node of nodes) if (!mapped.has(node.outputs[0]!)) of(node.outputs[0]!)
  return { graph: { inputs, constants: [], nodes: own, outputs: makes.map(of) }, reads, makes }
}

/** Plans how a device runs its program, one with collectives in it. */
export function schedule<T>(program: Graph<T>): Schedule {
  const graph = splitLargeSums(bundle(program))
  const free = freeNodes(graph)
  const levels = byLevel(graph.nodes, levelsOf(graph, free))
  const trace = new Trace()
  const mapped = new Map<Value, Value>()
  const of = (value: Value): Value => mapped.get(value) ?? value
  const tensorOf = (value: Value) => Tensor.fromTrace(trace, of(value))

  // Collectives become leaves for what arrives, and the arithmetic on it at the head of the next segment.
  const runs: Node[][] = []
  const exchanges: Exchange[][] = []
  let ahead: (() => void)[] = []
  const outputs = withTrace(trace, () => {
    /** Nodes that `body` adds to the trace. */
    const recorded = (body: () => void): Node[] => {
      const before = trace.nodes.length
      body()
      return trace.nodes.slice(before)
    }
    const again = (node: Node) => {
      if (node.inputs.every((v) => !mapped.has(v))) return void trace.nodes.push(node)
      trace
        .record(node.op, node.inputs.map(tensorOf), node.params)
        .forEach((t, i) => mapped.set(node.outputs[i]!, t.traced!.value))
    }
    for (const { runs: nodes, collectives } of levels) {
      const arrived = ahead
      ahead = []
      const started: Exchange[] = []
      runs.push(
        recorded(() => {
          for (const arrive of arrived) arrive()
          for (const node of nodes) {
            trace.scope = node.scope
            again(node)
          }
          for (const node of collectives) {
            trace.scope = node.scope
            let x = tensorOf(node.inputs[0]!)
            // What runs where it is used has to be made once to be sent.
            const { node: maker } = x.traced!.value
            if (maker && free.has(maker)) x = apply('reshape', [x], { shape: x.shape })
            const { exchange, arrive } = expand(node, x, trace)
            started.push(exchange)
            ahead.push(() => {
              trace.scope = node.scope
              mapped.set(node.outputs[0]!, arrive().traced!.value)
            })
          }
        }),
      )
      exchanges.push(started)
    }
    const rest = ahead
    runs.push(recorded(() => rest.forEach((arrive) => arrive())))
    exchanges.push([])
    // What is returned is made by the program, and handed out once.
    const seen = new Set<Value>()
    const own = recorded(() => {
      graph.outputs.forEach((value) => {
        const result = of(value)
        const isLeaf = !result.node || free.has(result.node)
        const again =
          isLeaf || seen.has(result)
            ? apply('reshape', [Tensor.fromTrace(trace, result)], { shape: result.aval.shape }).traced!.value
            : result
        seen.add(again)
      })
    })
    runs.at(-1)!.push(...own)
    return [...seen]
  })
  return {
    inputs: graph.inputs,
    constants: graph.constants.map((c) => c.value),
    outputs,
    steps: stepsOf(overlapping(runs, exchanges), { free, inputs: graph.inputs, outputs }),
  }
}

/** Nodes of one step, before they are a program. */
interface Stretch {
  readonly nodes: readonly Node[]
  readonly exchanges: readonly Exchange[]
  readonly overlaps: boolean
}

/** Operations of the products among `nodes`: what is worth a segment of its own. */
const productWork = (nodes: readonly Node[]): number =>
  nodes.reduce((sum, node) => {
    if (!isOp(node, 'dot')) return sum
    const { shape } = node.inputs[0]!.aval
    const inner = shape.at((node.params as OpParams['dot']).transposeA ? -2 : -1)!
    return sum + 2 * sizeOf(node.outputs[0]!.aval.shape) * inner
  }, 0)

/** Work that hides an exchange must be more than a message takes: some tens of microseconds of a GPU. */
const overlappedWork = 2 ** 30

/** Puts off what the exchanges of a step do not send, where it is work enough to do while they are under way. */
function overlapping(runs: readonly (readonly Node[])[], exchanges: readonly (readonly Exchange[])[]): Stretch[] {
  return runs.flatMap((nodes, step): Stretch[] => {
    const started = exchanges[step]!
    const whole = { nodes, exchanges: started, overlaps: false }
    if (started.length === 0) return [whole]
    const urgent = new Set<Node>(started.flatMap((e) => e.outgoing.flatMap((value) => value.node ?? [])))
    for (const node of [...nodes].reverse())
      if (urgent.has(node)) for (const { node: from } of node.inputs) if (from) urgent.add(from)
    const rest = nodes.filter((node) => !urgent.has(node))
    if (productWork(rest) < overlappedWork) return [whole]
    return [
      { nodes: nodes.filter((node) => urgent.has(node)), exchanges: started, overlaps: false },
      { nodes: rest, exchanges: [], overlaps: true },
    ]
  })
}

/** A collective as what is sent, and what is made of what arrives. */
function expand(node: Node, x: Tensor, trace: Trace): { exchange: Exchange; arrive: () => Tensor } {
  const op = node.op as Exchange['op']
  const { axes, count } = node.params as OpParams['allReduce']
  const scope = node.scope
  const make = (outgoing: readonly Tensor[]): { exchange: Exchange; parts: Tensor[] } => {
    const parts = Array.from({ length: count }, () => leafValue(outgoing[0]!.aval))
    const values = outgoing.map((t) => t.traced!.value)
    return {
      exchange: { op, axes, count, outgoing: values, parts, scope },
      parts: parts.map((v) => Tensor.fromTrace(trace, v)),
    }
  }
  if (op === 'reduceScatter') {
    const { dim } = node.params as OpParams['reduceScatter']
    const size = x.shape[dim]! / count
    const pieces = Array.from({ length: count }, (_, j) =>
      apply('slice', [x], {
        starts: x.shape.map((_d, i) => (i === dim ? j * size : 0)),
        limits: x.shape.map((d, i) => (i === dim ? (j + 1) * size : d)),
      }),
    )
    const { exchange, parts } = make(pieces)
    return { exchange, arrive: () => parts.reduce((a, b) => add(a, b)) }
  }
  const { exchange, parts } = make([x])
  if (op === 'allGather') return { exchange, arrive: () => concat(parts, (node.params as OpParams['allGather']).dim) }
  const { reduction } = node.params as OpParams['allReduce']
  return { exchange, arrive: () => parts.reduce((a, b) => (reduction === 'max' ? maximum(a, b) : add(a, b))) }
}

function stepsOf(
  stretches: readonly Stretch[],
  { free, inputs, outputs }: { free: ReadonlySet<Node>; inputs: readonly Value[]; outputs: readonly Value[] },
): ScheduleStep[] {
  /** Last step that reads a value: as an input of its segment, or to send it. Inputs that none reads are dead at once. */
  const lastRead = new Map<Value, number>(inputs.map((value) => [value, 0]))
  const kept = new Set(outputs)
  const madeIn = new Map<Node, number>(
    stretches.flatMap(({ nodes }, step) => nodes.map((node) => [node, step] as const)),
  )
  const needed = new Map<number, Set<Value>>()
  const need = (value: Value, step: number) => {
    const { node } = value
    if (node && free.has(node)) return node.inputs.forEach((v) => need(v, step))
    lastRead.set(value, step)
    const made = node ? madeIn.get(node) : undefined
    if (made !== undefined && (made !== step || kept.has(value))) markMade(value, made)
  }
  const markMade = (value: Value, step: number) => needed.set(step, (needed.get(step) ?? new Set()).add(value))
  stretches.forEach(({ nodes, exchanges }, step) => {
    for (const node of nodes) node.inputs.forEach((value) => need(value, step))
    for (const { outgoing } of exchanges)
      for (const value of outgoing) {
        need(value, step)
        if (value.node && madeIn.has(value.node)) markMade(value, madeIn.get(value.node)!)
      }
  })
  for (const value of outputs) if (value.node) markMade(value, madeIn.get(value.node)!)
  const isStored = (value: Value) => !value.node || (needed.get(madeIn.get(value.node)!)?.has(value) ?? false)
  const deadAfter = new Map<number, Value[]>()
  for (const [value, step] of lastRead)
    if (!kept.has(value) && isStored(value)) deadAfter.set(step, [...(deadAfter.get(step) ?? []), value])
  return stretches
    .map(({ nodes, exchanges, overlaps }, step): ScheduleStep => {
      const segment = segmentOf(nodes, free, [...(needed.get(step) ?? [])])
      return { segment, overlaps, exchanges, dead: deadAfter.get(step) ?? [] }
    })
    .filter(({ segment, exchanges, dead }) => segment || exchanges.length > 0 || dead.length > 0)
}
