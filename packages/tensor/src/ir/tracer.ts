// Tracing: while a function runs under a Trace, the ops it calls are recorded as graph nodes.
import { fail } from '../errors'
import { Tensor } from '../tensor'
import { leafValue, makeNode, type Constant, type Graph, type Node, type Value } from './graph'
import type { Aval, OpName, OpParams } from './op'
import { showAval } from './print'

/** A graph under construction. */
export class Trace {
  readonly nodes: Node[] = []
  readonly inputs: Value[] = []
  readonly #constants = new Map<Tensor, Value>()
  scope = ''
  region = 0
  #regions = 0

  /** A new input of the graph, as a tensor that the traced function can use. */
  addInput(aval: Aval): Tensor {
    const value = leafValue(aval)
    this.inputs.push(value)
    return Tensor.fromTrace(this, value)
  }

  /**
   * The value that a tensor has in this graph. A concrete tensor becomes a constant of the graph when it is first used.
   * @throws TensorError for a tensor of another trace
   */
  valueOf(tensor: Tensor): Value {
    if (tensor.traced) {
      if (tensor.traced.trace !== this)
        fail(
          'trace',
          `a ${showAval(tensor.aval)} of another trace is used here; return it from the function that made it`,
        )
      return tensor.traced.value
    }
    let value = this.#constants.get(tensor)
    if (!value) this.#constants.set(tensor, (value = leafValue(tensor.buffer.aval)))
    return value
  }

  /** Whether `value` comes from a concrete tensor: neither an input nor the output of a node. */
  isConstant(value: Value): boolean {
    return !value.node && !this.inputs.includes(value)
  }

  /**
   * Adds a node to the graph.
   * @returns one traced tensor for each output of the op, with the dtypes and shapes of its rule
   * @throws TensorError when the inputs do not fit the op
   */
  record<K extends OpName>(op: K, inputs: readonly Tensor[], params: OpParams[K]): Tensor[] {
    const node = makeNode(
      op,
      params,
      inputs.map((t) => this.valueOf(t)),
      this.scope,
      this.region,
    )
    this.nodes.push(node)
    return node.outputs.map((value) => Tensor.fromTrace(this, value))
  }

  /** A number for the next region of nodes, from 1 (see {@link Node.region}). */
  newRegion(): number {
    return ++this.#regions
  }

  /**
   * The graph that computes `outputs`, with everything recorded so far.
   * @throws TensorError for a tensor of another trace
   */
  finish(outputs: readonly Tensor[]): Graph<Tensor> {
    const outputValues = outputs.map((t) => this.valueOf(t))
    const constants: Constant<Tensor>[] = [...this.#constants].map(([tensor, value]) => ({ tensor, value }))
    return { inputs: this.inputs, constants, nodes: this.nodes, outputs: outputValues }
  }
}

let active: Trace | undefined

/** The trace being recorded, if any. */
export const activeTrace = (): Trace | undefined => active

/** Runs `body` with `trace` active. */
export function withTrace<R>(trace: Trace, body: () => R): R {
  const previous = active
  active = trace
  try {
    return body()
  } finally {
    active = previous
  }
}

/** Names the part of the model that `body` builds, for printed graphs: scopes nest with a slash. */
export function scope<R>(name: string, body: () => R): R {
  const trace = active
  if (!trace) return body()
  const outer = trace.scope
  trace.scope = outer === '' ? name : `${outer}/${name}`
  try {
    return body()
  } finally {
    trace.scope = outer
  }
}
