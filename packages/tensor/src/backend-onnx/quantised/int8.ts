// Products in 8 bits, of programs that train: rows of x are rounded by their largest element, rows of a frozen W by theirs, once. Of
// x Wᵀ, and of the gradient dy W, into which the scales of W's rows go first. Products of integers are exact; see `int8Levels`.
// A few columns of x hold elements tens of times as large as all others, by which whole rows would be rounded (Dettmers et al. 2022,
// LLM.int8): those of x Wᵀ are multiplied in f32 instead, in one product with what is added to x Wᵀ by LoRA.
import type { DeviceBuffer } from '../../backend/backend'
import { isOp, useCounts, type Graph, type Node, type Value } from '../../ir/graph'
import { codebooks } from '../../ir/ops/quantised'
import { sizeOf } from '../../shape'
import { OnnxBuilder } from '../builder'
import { encodeModel, onnxType, type OnnxValue } from '../model-proto'
import type { Recipe } from '../prepared'

/** A tensor that the worker makes of a weight's parts, once for all programs. */
export interface Derived {
  readonly name: string
  readonly recipe: Recipe
  readonly buffers: readonly DeviceBuffer[]
  readonly dtype: 'i8' | 'f32'
  readonly shape: readonly number[]
}

const microsoft = 'com.microsoft'

/** Rows that are looked at for the largest elements, evenly spaced: the columns of these are the same for most rows. */
const sampledRows = 128

/** Columns of x that are multiplied in f32: those with the largest elements, fewer of a narrow x. */
const outlierColumns = (columns: number): number => Math.min(16, Math.floor(columns / 16))

/** Columns of `x` apart from the others, by names: where they are, i64 `[k]`; they, f32 `[rows, k]`; x with zeros in their place. */
interface Outliers {
  readonly at: string
  readonly columns: string
  readonly others: string
}

/** Columns of x in a product in f32 that is joined with another: the weights of both are put side by side at each run. */
const mostNarrow = 256

type Part = Extract<Recipe, { kind: 'rows' }>['part']

/** Products of which an addition is made: one in 8 bits, and one in f32, as LoRA's. */
export interface Added {
  readonly product: Node<'dot'>
  readonly narrow: Node<'dot'>
}

/** Whether `node` is an x Wᵀ. */
const isLinear = (node: Node | null): node is Node<'dot'> =>
  isOp(node, 'dot') && node.params.transposeB && !node.params.transposeA

/** A model that multiplies 64 codes by the largest weight there is, and the name of its result. */
export function integerProduct(): { readonly model: Uint8Array; readonly name: string } {
  const b = new OnnxBuilder()
  const name = b.node('MatMulInteger', ['x', b.constant('i8', [64, 1], new Uint8Array(64).fill(127))])
  const inputs = [{ name: 'x', dtype: 'u8', dims: [1, 64] }] as const
  const outputs = [{ name, dtype: 'i32', dims: [1, 1] }] as const
  return { model: encodeModel({ nodes: b.nodes, initializers: b.initializers, values: [], inputs, outputs }), name }
}

/** The weight of a product that may be in 8 bits: of x Wᵀ, or of dy W. */
export function int8Weight(node: Node): Node<'dequantise'> | undefined {
  if (!isOp(node, 'dot') || node.params.transposeA) return undefined
  const [x, w] = node.inputs as [Value, Value]
  if (!isOp(w.node, 'dequantise') || !w.node.params.int8 || x.aval.dtype !== 'f32') return undefined
  return w.aval.shape.length === 2 ? w.node : undefined
}

export class Int8Products {
  readonly derived: Derived[] = []
  readonly #names = new Map<Value, Partial<Record<Part, string>>>()
  readonly #apart = new Map<string, Outliers>()

  /**
   * @param inputs of the model; tensors that are derived are added to them
   * @param bufferOf what a constant is bound to
   * @param levels the largest absolute code of an activation: 127, or 63 where the processor would not add products of 127 exactly
   */
  constructor(
    readonly b: OnnxBuilder,
    readonly inputs: OnnxValue[],
    readonly bufferOf: ReadonlyMap<Value, DeviceBuffer>,
    readonly levels: 127 | 63,
  ) {}

  /** The frozen weight of a product in 8 bits. */
  #weightOf(node: Node): Node<'dequantise'> | undefined {
    const weight = int8Weight(node)
    return weight?.inputs.every((v) => this.bufferOf.has(v)) ? weight : undefined
  }

  /** Additions of x Wᵀ in 8 bits and of another product, when nothing else reads these: {@link productOf} writes one in their place. */
  addedIn(graph: Graph): Map<Node, Added> {
    const uses = useCounts(graph)
    const found = new Map<Node, Added>()
    for (const node of graph.nodes) {
      if (!isOp(node, 'add')) continue
      for (const [x, y] of [node.inputs, [...node.inputs].reverse()] as [Value, Value][]) {
        const [product, narrow] = [x.node, y.node]
        if (!isLinear(product) || !isLinear(narrow) || uses.get(x) !== 1 || uses.get(y) !== 1) continue
        if (!this.#weightOf(product) || x.aval.shape.join() !== y.aval.shape.join()) continue
        if (int8Weight(narrow) || narrow.inputs.some(({ aval }) => aval.dtype !== 'f32')) continue
        const { shape } = narrow.inputs[1]!.aval
        if (shape.length !== 2 || shape[1]! > mostNarrow) continue
        found.set(node, { product, narrow })
        break
      }
    }
    return found
  }

  #derive(weight: Node<'dequantise'>, part: Part): string {
    const buffers = weight.inputs.map((v) => this.bufferOf.get(v)!)
    const [n, k] = weight.outputs[0]!.aval.shape as [number, number]
    const names = this.#names.get(weight.inputs[0]!) ?? {}
    this.#names.set(weight.inputs[0]!, names)
    if (names[part] !== undefined) return names[part]
    const name = (names[part] = this.b.newName())
    const { bits, codebook } = weight.params
    const dtype = part === 'scales' ? 'f32' : 'i8'
    const shape = part === 'scales' ? [n] : part === 'codes' ? [n, k] : [k, n]
    const recipe: Recipe = { kind: 'rows', part, rows: n, bits, ...(codebook ? { codebook: codebooks[codebook] } : {}) }
    this.derived.push({ name, recipe, buffers, dtype, shape })
    this.inputs.push({ name, dtype, dims: shape })
    return name
  }

  /** `x` as a matrix, f32 `[rows, columns]`. */
  #rows(x: string, columns: number): string {
    return this.b.shared(`rows of ${x}`, () => this.b.node('Reshape', [x, this.b.int64s([-1, columns])]))
  }

  /** The largest absolute elements of a matrix along an axis. Its two reductions read what `Abs` would write first. */
  #largest(rows: string, axis: 0 | 1): string {
    const { b } = this
    const [most, least] = ['ReduceMax', 'ReduceMin'].map((op) => b.node(op, [rows, b.int64s([axis])], { keepdims: 0n }))
    return b.node('Max', [most!, b.node('Neg', [least!])])
  }

  /** @param rows a matrix of `rowCount` rows and `columns` columns */
  #outliers(rows: string, rowCount: number, columns: number): Outliers {
    const known = this.#apart.get(rows)
    if (known) return known
    const { b } = this
    const count = outlierColumns(columns)
    const step = Math.floor(rowCount / sampledRows)
    const sample = step < 2 ? rows : b.node('Slice', [rows, ...[[0], [rowCount], [0], [step]].map((x) => b.int64s(x))])
    const top = [this.#largest(sample, 0), b.int64s([count])]
    const [, at] = b.nodeAll('TopK', top, { axis: 0n, sorted: 0n }, { count: 2 }) as [string, string]
    const [ones, zeros] = [new Float32Array(columns).fill(1), new Float32Array(count)]
    const kept = b.node('ScatterElements', [b.constant('f32', [columns], ones), at, b.constant('f32', [count], zeros)])
    const found = { at, columns: b.node('Gather', [rows, at], { axis: 1n }), others: b.node('Mul', [rows, kept]) }
    this.#apart.set(rows, found)
    return found
  }

  /** Rows of a matrix as codes, u8, and the scale of each, f32 `[rows]`. */
  #rounded(rows: string): { readonly codes: string; readonly scales: string } {
    const { b, levels } = this
    const scales = b.shared(`scales of ${rows}`, () => {
      const largest = this.#largest(rows, 1)
      // A row of zeros stays one.
      return b.node('Max', [b.node('Mul', [largest, b.scalar('f32', 1 / levels)]), b.scalar('f32', 1e-30)])
    })
    const codes = b.shared(`codes of ${rows}`, () => {
      const zeros = b.node('Expand', [b.scalar('u8', levels + 1), b.node('Shape', [scales])])
      return b.node('QuantizeLinear', [rows, scales, zeros], { axis: 0n })
    })
    return { codes, scales }
  }

  /**
   * The name of `node`'s result, when it is a product in 8 bits; undefined for any other node.
   * @param narrow what {@link addedIn} found that is added to it
   */
  productOf(node: Node, nameOf: (value: Value) => string, narrow?: Node<'dot'>): string | undefined {
    const weight = this.#weightOf(node)
    if (!weight || !isOp(node, 'dot')) return undefined
    const { b } = this
    const [x] = node.inputs as [Value]
    const scales = this.#derive(weight, 'scales')
    const forward = node.params.transposeB
    const given = forward
      ? nameOf(x)
      : b.shared(`scaled ${nameOf(x)} ${scales}`, () => b.node('Mul', [nameOf(x), scales]))
    const columns = x.aval.shape.at(-1)!
    const rows = this.#rows(given, columns)
    const outliers =
      forward && outlierColumns(columns) > 0 ? this.#outliers(rows, sizeOf(x.aval.shape) / columns, columns) : undefined
    const rounded = this.#rounded(outliers?.others ?? rows)
    const matrix = this.#derive(weight, forward ? 'turned' : 'codes')
    const one = b.scalar('f32', 1)
    const inputs = [rounded.codes, matrix, one, forward ? scales : one, b.scalar('u8', this.levels + 1)]
    // Shaped before it is scaled: what a part hands on is written where it goes, where a Reshape at the end would copy it.
    const { shape } = node.outputs[0]!.aval
    const product = b.node('Reshape', [b.node('MatMulIntegerToFloat', inputs, {}, microsoft), b.int64s(shape)])
    const columnShape = [...shape.slice(0, -1), 1]
    const column = b.shared(`column ${columnShape.join()} of ${rounded.scales}`, () =>
      b.node('Reshape', [rounded.scales, b.int64s(columnShape)]),
    )
    const y = b.node('Mul', [product, column])
    const beside: { readonly left: string; readonly right: string }[] = []
    if (outliers) {
      // `turned` has a row for each column of x.
      const taken = b.node('Cast', [b.node('Gather', [matrix, outliers.at])], { to: BigInt(onnxType.f32) })
      beside.push({ left: outliers.columns, right: b.node('Mul', [taken, scales]) })
    }
    if (narrow) {
      const [u, up] = narrow.inputs as [Value, Value]
      const right = b.node('Transpose', [nameOf(up)], { perm: [1, 0] })
      beside.push({ left: this.#rows(nameOf(u), u.aval.shape.at(-1)!), right })
    }
    if (beside.length === 0) return y
    const [left, right] = [beside.map((each) => each.left), beside.map((each) => each.right)]
    const joined = (parts: string[], axis: bigint) =>
      parts.length === 1 ? parts[0]! : b.node('Concat', parts, { axis })
    return b.node('Add', [
      y,
      b.node('Reshape', [b.node('MatMul', [joined(left, 1n), joined(right, 0n)]), b.int64s(shape)]),
    ])
  }
}
