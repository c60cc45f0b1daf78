// Where numbers break: runs a function node by node and finds the first op that made NaN or ∞ out of finite numbers.
import type { Device } from '../backend/backend'
import { defaultDevice } from '../backend/registry'
import { isFloat, type HostArray } from '../dtype'
import { leafValue, makeNode, type Constant, type Graph, type Node, type Value } from '../ir/graph'
import type { Aval, OpName } from '../ir/op'
import { showAval } from '../ir/print'
import { sizeOf } from '../shape'
import { Tensor } from '../tensor'
import type { Tree } from '../tree'
import { makeGraph } from './jit'

/** The first value that is not finite. */
export interface NonFinite {
  /** The op that made it; `input` when it came in so, as an argument or a constant. */
  readonly op: OpName | 'input'
  /** What came in: a weight by its label, an argument by the keys that lead to it. */
  readonly label: string
  /** Scope of the op, or of the one that read the input first. */
  readonly scope: string
  readonly aval: Aval
  /** How many of its elements are NaN, and how many are ±∞. */
  readonly nan: number
  readonly infinite: number
}

/** `layer 3/mlp: mul(f16[1,512,11008]) (37 of 5636096 elements)` */
export function showNonFinite({ op, label, scope, aval, nan, infinite }: NonFinite): string {
  const where = scope === '' ? '' : `${scope}: `
  return `${where}${label || op}(${showAval(aval)}) (${nan + infinite} of ${sizeOf(aval.shape)} elements)`
}

/** Sign aside, bits of the 16-bit ∞; patterns above it are NaN. */
const infinity16: Readonly<Record<string, number>> = { f16: 0x7c00, bf16: 0x7f80 }

function count(data: HostArray, { dtype }: Aval): { nan: number; infinite: number } {
  let [nan, infinite] = [0, 0]
  const bound = infinity16[dtype]
  for (const element of data) {
    if (bound === undefined ? Number.isFinite(element) : (element & 0x7fff) < bound) continue
    if (bound === undefined ? Number.isNaN(element) : (element & 0x7fff) > bound) nan++
    else infinite++
  }
  return { nan, infinite }
}

/** ∞ that somebody wrote: a mask. It is nobody's fault until it turns into NaN. */
const meant = Symbol('meant')

interface Named {
  readonly tensor: Tensor
  readonly name: string
}

/** The tensors of a tree in its order, each by its label or by the keys that lead to it. */
function named(tree: Tree, path: string): Named[] {
  if (tree instanceof Tensor) return [{ tensor: tree, name: tree.label || path }]
  if (tree === null || typeof tree !== 'object') return []
  return Object.entries(tree).flatMap(([key, child]: [string, Tree]) => named(child, path ? `${path}.${key}` : key))
}

interface Blame {
  readonly order: number
  readonly found: NonFinite
}

/** One run, with what is known of each value that is not finite. */
class Search {
  readonly #tensors = new Map<Value, Tensor>()
  /** Arguments and constants: not ours to dispose. */
  readonly #given = new Map<Value, Named>()
  /** Given values are looked at when an output that comes of them is not finite; undefined: looked at and finite. */
  readonly #blames = new Map<Value, Blame | typeof meant | undefined>()

  constructor(
    readonly graph: Graph<Tensor>,
    inputs: readonly Named[],
    readonly device: Device,
  ) {
    graph.inputs.forEach((value, i) => this.#given.set(value, inputs[i]!))
    for (const { value, tensor } of graph.constants) this.#given.set(value, { tensor, name: tensor.label })
  }

  async run(): Promise<NonFinite | undefined> {
    const { nodes, outputs } = this.graph
    const lastUse = new Map<Value, number>()
    nodes.forEach((node, order) => [...node.outputs, ...node.inputs].forEach((value) => lastUse.set(value, order)))
    try {
      for (const [order, node] of nodes.entries()) {
        await this.#step(node, order)
        for (const value of [...node.inputs, ...node.outputs]) {
          if (lastUse.get(value) !== order) continue
          this.#tensors.get(value)?.dispose()
          this.#tensors.delete(value)
        }
      }
    } finally {
      for (const tensor of this.#tensors.values()) tensor.dispose()
    }
    let first: Blame | undefined
    for (const value of outputs) {
      const blame = await this.#blameOf(value, nodes.length, '')
      if (blame && blame !== meant && blame.order < (first?.order ?? Infinity)) first = blame
    }
    return first?.found
  }

  async #step(node: Node, order: number): Promise<void> {
    const results = this.#runAlone(node)
    node.outputs.forEach((value, i) => this.#tensors.set(value, results[i]!))
    for (const [i, value] of node.outputs.entries()) {
      if (!isFloat(value.aval.dtype)) continue
      const counts = count(await results[i]!.data(), value.aval)
      if (counts.nan + counts.infinite === 0) continue
      const causes: (Blame | typeof meant)[] = []
      for (const input of node.inputs) {
        const blame = await this.#blameOf(input, order, node.scope)
        if (blame) causes.push(blame)
      }
      const cause = causes.find((one) => one !== meant)
      const { op, scope } = node
      if (cause) this.#blames.set(value, cause)
      else if (counts.nan === 0 && (causes.length > 0 || writesInfinity(node))) this.#blames.set(value, meant)
      else this.#blames.set(value, { order, found: { op, label: '', scope, aval: value.aval, ...counts } })
    }
  }

  async #blameOf(value: Value, order: number, scope: string): Promise<Blame | typeof meant | undefined> {
    const given = this.#given.get(value)
    if (!given || this.#blames.has(value) || !isFloat(value.aval.dtype)) return this.#blames.get(value)
    const { tensor, name: label } = given
    const { aval } = tensor
    const counts = count(await tensor.data(), aval)
    // Nobody masks with a weight.
    const broken = counts.nan > 0 || (counts.infinite > 0 && tensor.label !== '')
    const found: NonFinite = { op: 'input', label, scope, aval, ...counts }
    const blame = broken ? { order, found } : counts.infinite > 0 ? meant : undefined
    this.#blames.set(value, blame)
    return blame
  }

  /** Runs one node as a program of its own, released at once: weights stay constants, so files stay mapped. */
  #runAlone(node: Node): Tensor[] {
    const leaves = new Map<Value, Value>()
    for (const value of node.inputs) leaves.set(value, leaves.get(value) ?? leafValue(value.aval))
    const alone = makeNode(
      node.op,
      node.params,
      node.inputs.map((value) => leaves.get(value)!),
    )
    const inputs: Value[] = []
    const buffers: Tensor['buffer'][] = []
    const constants: Constant<Tensor>[] = []
    const isConstant = new Set(this.graph.constants.map(({ value }) => value))
    for (const [value, leaf] of leaves) {
      const tensor = (this.#given.get(value)?.tensor ?? this.#tensors.get(value))!
      if (isConstant.has(value)) constants.push({ value: leaf, tensor })
      else {
        inputs.push(leaf)
        buffers.push(tensor.buffer)
      }
    }
    const program = this.device.compile({ inputs, constants, nodes: [alone], outputs: alone.outputs })
    try {
      return program.run(buffers).map((buffer) => Tensor.fromBuffer(buffer))
    } finally {
      program.release()
    }
  }
}

/** Creation ops and padding may carry ∞ in their parameters. */
function writesInfinity({ op, params }: Node): boolean {
  const { value, values = [] } = params as { value?: number; values?: readonly number[] }
  return op === 'full' || op === 'pad'
    ? Math.abs(value!) === Infinity
    : values.some((one) => Math.abs(one) === Infinity)
}

/**
 * Runs `fn` on `args` op by op, on their device, and returns where a result of it stopped being finite: the earliest op
 * that made NaN or ∞ out of finite numbers and whose value reached a result. Undefined when every result is finite, or
 * has no ∞ but such as was written there. Slow: every value is read back. Fused ops count as one op.
 */
export async function firstNonFinite<A extends readonly Tree[], R extends Tree>(
  fn: (...args: A) => R,
  args: A,
): Promise<NonFinite | undefined> {
  const graph = makeGraph(fn)(...args)
  const inputs = args.flatMap((arg) => named(arg, ''))
  const device = (inputs[0] ?? graph.constants[0])?.tensor.buffer.device ?? defaultDevice()
  return new Search(graph, inputs, device).run()
}
