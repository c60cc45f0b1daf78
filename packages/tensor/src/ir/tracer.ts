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

  addInput(aval: Aval): Tensor {
    const value = leafValue(aval)
    this.inputs.push(value)
    return Tensor.fromTrace(this, value)
  }

  /** The value a tensor has here; concrete tensors met on the way become constants of the graph. */
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

  isConstant(value: Value): boolean {
    return !value.node && !this.inputs.includes(value)
  }

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

  newRegion(): number {
    return ++this.#regions
  }

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
