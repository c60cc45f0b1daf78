// Weights that are kept in 16 bits or quantised, unpacked where they are used: no f32 copy outlives its use.
import { isOp, leafValue, makeNode, type Node, type Value } from '../../ir/graph'
import type { OnnxBuilder } from '../builder'
import { productWeight, quantisedProduct } from './dequantise'
import { after } from '../op-table'

/** What a graph's weights are unpacked with. */
interface Lowered {
  readonly b: OnnxBuilder
  readonly constants: ReadonlySet<Value>
  /** Constants that the worker gives to each run, which are f32 where they were bf16. */
  readonly fed: ReadonlySet<Value>
  readonly names: ReadonlyMap<Value, string>
  /** Writes a node, given the names of its inputs. */
  readonly emit: (node: Node, inputs: readonly string[]) => readonly string[]
}

/** Whether `node` takes whole rows of a matrix. */
export function takesRows(node: Node | null): node is Node<'slice'> {
  if (!isOp(node, 'slice')) return false
  const { shape } = node.inputs[0]!.aval
  const { starts, limits } = node.params
  return shape.length === 2 && starts[1] === 0 && limits[1] === shape[1]
}

export class Unpacker {
  /** What was unpacked last of each weight, and the part of the model that did so. */
  readonly #unpacked = new Map<Value, { readonly place: string; readonly name: string }>()

  constructor(readonly lowered: Lowered) {}

  /** The node that converts a 16-bit weight, or unpacks a quantised one, into `value`; or that takes rows of a weight. */
  nodeOf({ node }: Value): Node | undefined {
    if (isOp(node, 'dequantise')) return node.inputs.some((v) => v.node) ? undefined : node
    const [stored] = node?.inputs ?? []
    if (!stored) return undefined
    if (takesRows(node)) return !stored.node || (!takesRows(stored.node) && this.nodeOf(stored)) ? node : undefined
    const { constants, fed } = this.lowered
    const isStored = stored.aval.dtype === 'f16' || (stored.aval.dtype === 'bf16' && !fed.has(stored))
    return isOp(node, 'cast') && constants.has(stored) && isStored ? node : undefined
  }

  /** The name of `value` for `reader`: a weight's is new for each part of the model, forward and backward, that reads it. */
  nameFor(value: Value, reader?: Node): string {
    const { b, constants, names } = this.lowered
    const node = this.nodeOf(value)
    if (!node) return names.get(value)!
    const place = reader?.scope ? `${reader.scope} ${reader.region}` : ''
    const known = this.#unpacked.get(value)
    if (known && known.place === place) return known.name
    // Left to itself, ONNX Runtime unpacks all weights before anything else: each waits for what it is multiplied by.
    const token = reader?.inputs.find(
      (v) => v !== value && v.aval.dtype === 'f32' && !constants.has(v) && !this.nodeOf(v),
    )
    const tie = (stored: Value): string =>
      token ? after(b, names.get(stored)!, stored.aval, names.get(token)!) : names.get(stored)!
    const name = takesRows(node) ? this.#rowsWhole(node, tie) : this.#whole(node, tie)
    if (place) this.#unpacked.set(value, { place, name })
    return name
  }

  #whole(node: Node, tie: (stored: Value) => string): string {
    const [stored, ...others] = node.inputs as [Value, ...Value[]]
    return this.lowered.emit(node, [tie(stored), ...others.map((v) => this.lowered.names.get(v)!)])[0]!
  }

  /** Of a weight, the rows that `node` takes: they are unpacked alone. */
  #rowsWhole(node: Node<'slice'>, tie: (stored: Value) => string): string {
    const [table] = node.inputs as [Value]
    const whole = this.nodeOf(table)
    if (!whole) return this.#whole(node, tie)
    const { emit, names } = this.lowered
    const [from, to] = [node.params.starts[0]!, node.params.limits[0]!]
    const parts = whole.inputs.map((v) => {
      const [, ...others] = v.aval.shape
      return makeNode('slice', { starts: [from, ...others.map(() => 0)], limits: [to, ...others] }, [leafValue(v.aval)])
    })
    const rows = parts.map((part, i) => {
      const stored = whole.inputs[i]!
      return emit(part, [i === 0 ? tie(stored) : names.get(stored)!])[0]!
    })
    const leaves = parts.map(({ outputs }) => leafValue(outputs[0]!.aval))
    return emit(makeNode(whole.op, whole.params, leaves), rows)[0]!
  }

  /** The name of `node`'s result where one operator multiplies by a quantised weight as it is; undefined for any other node. */
  productOf(node: Node): string | undefined {
    const weight = productWeight(node)
    if (!isOp(node, 'dot') || !weight || !this.nodeOf(weight.outputs[0]!)) return undefined
    const { b, names } = this.lowered
    const parts = weight.inputs.map((v) => names.get(v)!)
    return quantisedProduct(b, this.nameFor(node.inputs[0]!, node), node, weight, parts)
  }

  /** The name of the rows that `node`, a gather, takes of a weight: they are unpacked alone. Undefined for any other node. */
  rowsOf(node: Node): string | undefined {
    if (!isOp(node, 'gather') || node.params.axis !== 0 || node.params.batchDims !== 0) return undefined
    const { b, names, emit } = this.lowered
    const [table, indices] = node.inputs as [Value, Value]
    const whole = this.nodeOf(table)
    if (!whole || takesRows(whole)) return undefined
    const rows = whole.inputs.map((v) => b.node('Gather', [names.get(v)!, names.get(indices)!], { axis: 0n }))
    const leaves = whole.inputs.map(({ aval }) =>
      leafValue({ ...aval, shape: [...indices.aval.shape, ...aval.shape.slice(1)] }),
    )
    return emit(makeNode(whole.op, whole.params, leaves), rows)[0]!
  }
}
