// Weights that a session prepares once, in the form that its operators take.
import type { CompileGraph, DeviceBuffer } from '../backend/backend'
import { isOp, type Node, type Value } from '../ir/graph'
import { codebooks, groupSize } from '../ir/ops/quantised'
import type { Aval } from '../ir/op'
import { sizeOf } from '../shape'
import type { OnnxBuilder } from './builder'
import type { OnnxDType } from './model-proto'

/** How the worker makes an initializer of buffers; plain data, as it is posted. See prepare.mjs. */
export type Recipe =
  /** Codes of 4 bits, neighbours in a byte. */
  | { readonly kind: 'nibbles'; readonly group: number }
  /** Codes of 8 bits, the middle of those that there are moved to 128. */
  | { readonly kind: 'bytes'; readonly hasMins: boolean; readonly codebook?: readonly number[]; readonly group: number }
  /** f32 scales, each `times` over. */
  | { readonly kind: 'scales'; readonly times: number }
  /** What a group adds beside scale · (code − middle code), f32, a group of all rows a row: of minima, scales and codes. */
  | { readonly kind: 'offsets'; readonly bits: 4 | 8; readonly groups: number }
  /** Rows of a matrix by their largest element, 8 bits: codes, codes turned (columns as rows), or the scale of each row. */
  | {
      readonly kind: 'rows'
      readonly part: 'codes' | 'turned' | 'scales'
      readonly rows: number
      readonly bits: 4 | 8
      readonly codebook?: readonly number[]
    }
  /** f32 elements: of floats, or of codes, scales and minima. */
  | { readonly kind: 'floats'; readonly bits?: 4 | 8; readonly codebook?: readonly number[] }

/** An initializer that is made when the session is. */
export interface Prepared {
  /** Where the model says that its bytes are. */
  readonly location: string
  readonly recipe: Recipe
  /** The parts of each weight whose rows it holds, one weight after another. */
  readonly weights: readonly (readonly DeviceBuffer[])[]
}

const microsoft = 'com.microsoft'
/** Groups that MatMulNBits takes. */
const blockSizes = [16, 32, 64, 128, 256]

/** How a product is computed from blocks. */
interface Blocks {
  /** Bits of a code, in the operator. */
  readonly width: 4 | 8
  readonly block: number
  readonly group: number
  readonly hasMins: boolean
  readonly codebook: 'iq4' | undefined
  readonly int8: boolean
  /** Columns of the weight. */
  readonly k: number
}

/** How the product by this weight is computed from blocks; undefined for those that no operator takes. */
function blocksOf({ params, inputs, outputs }: Node<'dequantise'>): Blocks | undefined {
  const { bits, codebook, int8 = false } = params
  const [codes, scales, mins] = inputs as [Value, Value, Value?]
  const group = groupSize(codes.aval, scales.aval, bits)
  // The values of this codebook are whole numbers: they are codes of 8 bits.
  const width = codebook === 'iq4' ? 8 : bits
  const block = blockSizes.includes(group) ? group : 32
  const areFloats = [scales, mins].every((part) => part === undefined || part.aval.dtype === 'f32')
  if (codebook === 'nf4' || group % block !== 0 || !areFloats || (width === 8 && !int8)) return undefined
  return { width, block, group, hasMins: mins !== undefined, codebook, int8, k: outputs[0]!.aval.shape[1]! }
}

/** Writes products by frozen weights of a model that serves many shapes. */
export class PreparedWeights {
  readonly list: Prepared[] = []
  readonly #names = new Map<string, string>()
  /** Of a product by blocks: all products of its x by blocks of their kind, which one operator computes. */
  readonly #together = new Map<Node, readonly Node<'dot'>[]>()
  readonly #products = new Map<Node, string>()

  /**
   * @param bufferOf what a constant is bound to
   * @param idOf a number of its own for each buffer
   * @param nodes of the graph
   * @param isScaled whether a product has a factor of its own
   */
  constructor(
    readonly b: OnnxBuilder,
    readonly bufferOf: ReadonlyMap<Value, DeviceBuffer>,
    readonly idOf: (buffer: DeviceBuffer) => number,
    nodes: readonly Node[],
    isScaled: (node: Node) => boolean,
  ) {
    const kinds = new Map<Value, Map<string, Node<'dot'>[]>>()
    for (const node of nodes) {
      if (!this.#isProduct(node) || isScaled(node)) continue
      const [x, w] = node.inputs as [Value, Value]
      const blocks = isOp(w.node, 'dequantise') ? blocksOf(w.node) : undefined
      if (!blocks) continue
      const ofX = kinds.get(x) ?? new Map<string, Node<'dot'>[]>()
      const kind = JSON.stringify(blocks)
      const same = [...(ofX.get(kind) ?? []), node]
      kinds.set(x, ofX.set(kind, same))
      for (const product of same) this.#together.set(product, same)
    }
  }

  #isProduct(node: Node): node is Node<'dot'> {
    if (!isOp(node, 'dot') || node.params.transposeA || !node.params.transposeB) return false
    const [x, w] = node.inputs as [Value, Value]
    return x.aval.dtype === 'f32' && this.#partsOf(w) !== undefined
  }

  #initializer(
    weights: readonly (readonly Value[])[],
    recipe: Recipe,
    dtype: OnnxDType,
    dims: readonly number[],
  ): string {
    const buffers = weights.map((parts) => parts.map((v) => this.bufferOf.get(v)!))
    const ids = buffers.map((parts) => parts.map((buffer) => this.idOf(buffer)).join('+'))
    const location = `${recipe.kind} ${ids.join(' ')} ${dims.join('x')}`
    let name = this.#names.get(location)
    if (name !== undefined) return name
    this.#names.set(location, (name = this.b.newName()))
    const length = sizeOf(dims) * (dtype === 'u8' ? 1 : 4)
    this.b.initializers.push({ name, dtype, dims, data: { location, offset: 0, length } })
    this.list.push({ location, recipe, weights: buffers })
    return name
  }

  /** The name of a vector of floats, a norm's or a bias; undefined for other constants. */
  vector(value: Value): string | undefined {
    const { shape, dtype } = value.aval
    if (shape.length !== 1 || (dtype !== 'f32' && dtype !== 'bf16')) return undefined
    return this.#initializer([[value]], { kind: 'floats' }, 'f32', shape)
  }

  /** What `w` is made of, when that is frozen: itself, the floats it is cast from, or the parts of a quantised weight. */
  #partsOf(w: Value): readonly Value[] | undefined {
    if (w.aval.shape.length !== 2) return undefined
    const parts = !w.node ? [w] : isOp(w.node, 'dequantise') || isOp(w.node, 'cast') ? w.node.inputs : []
    return parts.length > 0 && parts.every((v) => this.bufferOf.has(v)) ? parts : undefined
  }

  /**
   * x by the rows of all `weights`, by the operator that multiplies by blocks, and by what each group adds beside them. Rows of x
   * are rounded to 8 bits where that is allowed, as 8-bit blocks need.
   */
  #byBlocks(x: string, { shape }: Aval, weights: readonly Node<'dequantise'>[]): string {
    const { b } = this
    const { width, block, group, hasMins, codebook, int8, k } = blocksOf(weights[0]!)!
    const n = weights.reduce((sum, { outputs }) => sum + outputs[0]!.aval.shape[0]!, 0)
    const parts = weights.map(({ inputs }) => inputs as [Value, Value, Value?])
    const recipe: Recipe =
      width === 4
        ? { kind: 'nibbles', group }
        : { kind: 'bytes', hasMins, group, ...(codebook ? { codebook: codebooks[codebook] } : {}) }
    const codes = parts.map(([own]) => [own])
    const blocks = this.#initializer(codes, recipe, 'u8', [n, k / block, (block * width) / 8])
    const scales = parts.map(([, own]) => [own])
    const factors = this.#initializer(scales, { kind: 'scales', times: group / block }, 'f32', [(n * k) / block])
    const sizes = { K: BigInt(k), N: BigInt(n), block_size: BigInt(block), bits: BigInt(width) }
    const options = { ...sizes, accuracy_level: int8 ? 4n : 0n }
    const y = b.node('MatMulNBits', [x, blocks, factors], options, microsoft)
    if (!hasMins) return y
    const sums = b.shared(`sums ${x} ${group}`, () => {
      const byGroup = [...shape.slice(0, -1).map(() => 0), k / group, group]
      return b.node('ReduceSum', [b.node('Reshape', [x, b.int64s(byGroup)]), b.int64s([-1])], { keepdims: 0n })
    })
    const minima = parts.map(([own, scale, min]) => [min!, scale, own])
    const groups = k / group
    const offsets = this.#initializer(minima, { kind: 'offsets', bits: width, groups }, 'f32', [groups, n])
    return b.node('Add', [y, b.node('MatMul', [sums, offsets])])
  }

  /** The name of `node`'s result, when it is a product x Wᵀ in f32 by a frozen weight; undefined for any other node. */
  productOf(node: Node, nameOf: (value: Value) => string, alpha: number): string | undefined {
    if (!this.#isProduct(node)) return undefined
    const known = this.#products.get(node)
    if (known !== undefined) return known
    const [x, w] = node.inputs as [Value, Value]
    const together = this.#together.get(node)
    if (together) {
      const weights = together.map(({ inputs }) => inputs[1]!.node as Node<'dequantise'>)
      const y = this.#byBlocks(nameOf(x), x.aval, weights)
      const sizes = weights.map(({ outputs }) => outputs[0]!.aval.shape[0]!)
      const split = () => this.b.nodeAll('Split', [y, this.b.int64s(sizes)], { axis: -1n }, { count: together.length })
      const names = together.length === 1 ? [y] : split()
      together.forEach((product, i) => this.#products.set(product, names[i]!))
      return this.#products.get(node)
    }
    const packed = isOp(w.node, 'dequantise') ? w.node.params : undefined
    // These blocks have an operator of their own, and eight times their bytes as floats.
    if (packed?.codebook === 'nf4') return undefined
    const recipe: Recipe = {
      kind: 'floats',
      ...(packed ? { bits: packed.bits } : {}),
      ...(packed?.codebook ? { codebook: codebooks[packed.codebook] } : {}),
    }
    const floats = this.#initializer([this.#partsOf(w)!], recipe, 'f32', w.aval.shape)
    return this.b.node('FusedMatMul', [nameOf(x), floats], { transA: 0n, transB: 1n, alpha }, microsoft)
  }
}

/**
 * A program whose weights take up to this has them packed for its products (3% of a step), a copy of its own; and where many
 * programs make one step. It goes by the program alone: packed products round otherwise, so that a program would compute other
 * bits than in a run that compiled it at another time.
 */
const mostBytes = 2 ** 27
const mostBytesOfMany = 2 ** 28

/** Bytes that products would pack: each has a copy of what it multiplies by, so that a weight has two, or two for every block of rows. */
function packedBytes({ nodes }: CompileGraph, bytesOf: ReadonlyMap<Value, number>): number {
  return nodes.reduce((n, node) => {
    if (!isOp(node, 'dot')) return n
    const [, w] = node.inputs as [Value, Value]
    return n + (bytesOf.get(isOp(w.node, 'cast') ? w.node.inputs[0]! : w) ?? 0)
  }, 0)
}

/**
 * Whether products of `graph` pack their weights.
 * @param bytesOf bytes of its constants in their files
 * @param isOneOfMany whether many programs make one step
 */
export function packsWeights(graph: CompileGraph, bytesOf: ReadonlyMap<Value, number>, isOneOfMany: boolean): boolean {
  const most = isOneOfMany ? mostBytesOfMany : mostBytes
  const weightBytes = [...bytesOf.values()].reduce((n, bytes) => n + bytes, 0)
  return weightBytes <= most && packedBytes(graph, bytesOf) <= 2 * most
}
