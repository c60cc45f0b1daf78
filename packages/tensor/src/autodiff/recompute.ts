// Computing values of the forward pass again where the backward pass reads them.
import { makeNode, type Node, type Value } from '../ir/graph'
import { widened } from './halves'

/** What one part of the backward pass computes again, and when. */
interface Part {
  /** Values that are read as they are: they cost nothing to keep. */
  readonly isFree: (value: Value) => boolean
  /** Whether what `node` gave is computed again; of all else that is not free, what the forward pass made is read. */
  readonly again: (node: Node) => boolean
  /** What is kept in place of a value, if that is not kept itself. */
  readonly halfOf?: (value: Value) => Value | undefined
  /** Nothing is computed again before this exists. */
  readonly token: Value
  readonly emit: (node: Node) => void
}

/** Values for one part of the backward pass: each is computed again, or held back by a barrier, once. */
export class Recompute {
  readonly #copies = new Map<Value, Value>()

  constructor(readonly part: Part) {}

  /** What the part reads instead of `value`: equal to it, but no pass takes the two for one. */
  value(value: Value): Value {
    const { isFree, again, halfOf, token, emit } = this.part
    const known = isFree(value) ? value : this.#copies.get(value)
    if (known) return known
    const { node } = value
    if (node && again(node)) {
      const inputs = node.inputs.map((v) => this.value(v))
      const copy = makeNode(node.op, node.params, inputs, node.scope)
      emit(copy)
      node.outputs.forEach((old, i) => this.#copies.set(old, copy.outputs[i]!))
    } else {
      const half = halfOf?.(value)
      const held = makeNode('barrier', {}, [half ?? value, token], node?.scope)
      const nodes = half ? [held, ...widened(held.outputs[0]!, held)] : [held]
      nodes.forEach(emit)
      this.#copies.set(value, nodes.at(-1)!.outputs[0]!)
    }
    return this.#copies.get(value)!
  }
}

/** Whether `value` is made without reading any: made anew at no cost. */
export const isMade = ({ node }: Value): boolean => node?.op === 'full' || node?.op === 'literal' || node?.op === 'iota'
