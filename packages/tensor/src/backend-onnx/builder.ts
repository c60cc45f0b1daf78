// Collects ONNX nodes and constants while a graph is lowered.
import type { DType } from '../dtype'
import type { Attribute, OnnxDType, OnnxNode, OnnxTensor, OnnxValue } from './model-proto'

type ConstantArray = Float32Array | Int32Array | Uint32Array | BigInt64Array | Uint8Array | Uint16Array

export class OnnxBuilder {
  readonly nodes: OnnxNode[] = []
  readonly initializers: OnnxTensor[] = []
  /** Values of which ONNX Runtime cannot infer the shape. */
  readonly values: OnnxValue[] = []
  readonly #constants = new Map<string, string>()
  #names = 0

  newName(): string {
    return `t${this.#names++}`
  }

  /** Adds a node of `count` outputs and returns their names. */
  nodeAll(
    opType: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    { domain = '', count = 1 } = {},
  ): string[] {
    const outputs = Array.from({ length: count }, () => this.newName())
    this.nodes.push({ opType, domain, inputs, outputs, attributes })
    return outputs
  }

  node(opType: string, inputs: readonly string[], attributes: Record<string, Attribute> = {}, domain = ''): string {
    return this.nodeAll(opType, inputs, attributes, { domain })[0]!
  }

  /**
   * Tells the shape of `name`, which depends on a computed one. Memory of values of unknown shape is never used again by others,
   * and the search for what could be grows with the square of their number.
   */
  declared(name: string, dtype: OnnxDType, dims: readonly number[]): string {
    this.values.push({ name, dtype, dims })
    return name
  }

  constant(dtype: OnnxDType, dims: readonly number[], array: ConstantArray): string {
    const data = new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
    const key = data.length > 64 ? '' : `${dtype}[${dims.join(',')}]${data.join(',')}`
    const known = key && this.#constants.get(key)
    if (known) return known
    const name = this.newName()
    this.initializers.push({ name, dtype, dims, data })
    if (key) this.#constants.set(key, name)
    return name
  }

  /** What is called `key`, made on first use: for tables and small values that many nodes read. */
  shared(key: string, make: () => string): string {
    let name = this.#constants.get(key)
    if (name === undefined) this.#constants.set(key, (name = make()))
    return name
  }

  /** Integers of a shape, axes or bounds. */
  int64s(values: readonly number[]): string {
    return this.constant('i64', [values.length], BigInt64Array.from(values, BigInt))
  }

  scalar(dtype: DType, value: number): string {
    if (dtype === 'bool') return this.constant('bool', [], Uint8Array.of(value ? 1 : 0))
    if (dtype === 'i32') return this.constant('i32', [], Int32Array.of(value))
    if (dtype === 'u32') return this.constant('u32', [], Uint32Array.of(value))
    if (dtype === 'u8') return this.constant('u8', [], Uint8Array.of(value))
    return this.constant('f32', [], Float32Array.of(value))
  }
}
