// Weights that a session prepares once, in the form that its operators take.
import type { DeviceBuffer } from '../backend/backend'
import { isOp, type Node, type Value } from '../ir/graph'
import { codebooks, groupSize } from '../ir/ops/quantised'
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
  | { readonly kind: 'offsets'; readonly bits: 4 | 8; readonly rows: number }
  /** f32 elements: of floats, or of codes, scales and minima. */
  | { readonly kind: 'floats'; readonly bits?: 4 | 8; readonly codebook?: readonly number[] }

/** An initializer that is made when the session is. */
export interface Prepared {
  /** Where the model says that its bytes are. */
  readonly location: string
  readonly recipe: Recipe
  readonly buffers: readonly DeviceBuffer[]
}

const microsoft = 'com.microsoft'
/** Groups that MatMulNBits takes. */
const blockSizes = [16, 32, 64, 128, 256]

/** Writes products by frozen weights of a model that serves many shapes. */
export class PreparedWeights {
  readonly list: Prepared[] = []
  readonly #names = new Map<string, string>()

  /**
   * @param bufferOf what a constant is bound to
   * @param idOf a number of its own for each buffer
   */
  constructor(
    readonly b: OnnxBuilder,
    readonly bufferOf: ReadonlyMap<Value, DeviceBuffer>,
    readonly idOf: (buffer: DeviceBuffer) => number,
  ) {}

  #initializer(values: readonly Value[], recipe: Recipe, dtype: OnnxDType, dims: readonly number[]): string {
    const buffers = values.map((v) => this.bufferOf.get(v)!)
    const location = `${recipe.kind} ${buffers.map((buffer) => this.idOf(buffer)).join(' ')} ${dims.join(' ')}`
    let name = this.#names.get(location)
    if (name !== undefined) return name
    this.#names.set(location, (name = this.b.newName()))
    const length = sizeOf(dims) * (dtype === 'u8' ? 1 : 4)
    this.b.initializers.push({ name, dtype, dims, data: { location, offset: 0, length } })
    this.list.push({ location, recipe, buffers })
    return name
  }

  /** The name of a vector of floats, a norm's or a bias; undefined for other constants. */
  vector(value: Value): string | undefined {
    const { shape, dtype } = value.aval
    if (shape.length !== 1 || (dtype !== 'f32' && dtype !== 'bf16')) return undefined
    return this.#initializer([value], { kind: 'floats' }, 'f32', shape)
  }

  /** What `w` is made of, when that is frozen: itself, the floats it is cast from, or the parts of a quantised weight. */
  #partsOf(w: Value): readonly Value[] | undefined {
    if (w.aval.shape.length !== 2) return undefined
    const parts = !w.node ? [w] : isOp(w.node, 'dequantise') || isOp(w.node, 'cast') ? w.node.inputs : []
    return parts.length > 0 && parts.every((v) => this.bufferOf.has(v)) ? parts : undefined
  }

  /**
   * x Wᵀ by the operator that multiplies by blocks, and by what each group adds beside them; undefined for blocks that it does
   * not take. Rows of x are rounded to 8 bits where that is allowed, as 8-bit blocks need.
   */
  #byBlocks(x: string, { aval }: Value, { params, inputs, outputs }: Node<'dequantise'>): string | undefined {
    const { b } = this
    const { bits, codebook, int8 } = params
    const [codes, scales, mins] = inputs as [Value, Value, Value?]
    const [n, k] = outputs[0]!.aval.shape as [number, number]
    const group = groupSize(codes.aval, scales.aval, bits)
    // The values of this codebook are whole numbers: they are codes of 8 bits.
    const width = codebook === 'iq4' ? 8 : bits
    const block = blockSizes.includes(group) ? group : 32
    const isKnown = codebook === undefined || codebook === 'iq4'
    const areFloats = [scales, mins].every((part) => part === undefined || part.aval.dtype === 'f32')
    if (!isKnown || group % block !== 0 || !areFloats || (width === 8 && !int8)) return undefined
    const recipe: Recipe =
      width === 4
        ? { kind: 'nibbles', group }
        : { kind: 'bytes', hasMins: mins !== undefined, group, ...(codebook ? { codebook: codebooks[codebook] } : {}) }
    const blocks = this.#initializer([codes], recipe, 'u8', [n, k / block, (block * width) / 8])
    const factors = this.#initializer([scales], { kind: 'scales', times: group / block }, 'f32', [(n * k) / block])
    const sizes = { K: BigInt(k), N: BigInt(n), block_size: BigInt(block), bits: BigInt(width) }
    const options = { ...sizes, accuracy_level: int8 ? 4n : 0n }
    const y = b.node('MatMulNBits', [x, blocks, factors], options, microsoft)
    if (!mins) return y
    const sums = b.shared(`sums ${x} ${group}`, () => {
      const byGroup = [...aval.shape.slice(0, -1).map(() => 0), k / group, group]
      return b.node('ReduceSum', [b.node('Reshape', [x, b.int64s(byGroup)]), b.int64s([-1])], { keepdims: 0n })
    })
    const offsets = this.#initializer([mins, scales, codes], { kind: 'offsets', bits, rows: n }, 'f32', [k / group, n])
    return b.node('Add', [y, b.node('MatMul', [sums, offsets])])
  }

  /** The name of `node`'s result, when it is a product x Wᵀ in f32 by a frozen weight; undefined for any other node. */
  productOf(node: Node, nameOf: (value: Value) => string, alpha: number): string | undefined {
    if (!isOp(node, 'dot') || node.params.transposeA || !node.params.transposeB) return undefined
    const [x, w] = node.inputs as [Value, Value]
    const parts = x.aval.dtype === 'f32' ? this.#partsOf(w) : undefined
    if (!parts) return undefined
    const packed = isOp(w.node, 'dequantise') ? w.node : undefined
    const inBlocks = packed && alpha === 1 ? this.#byBlocks(nameOf(x), x, packed) : undefined
    if (inBlocks !== undefined) return inBlocks
    const { bits, codebook } = packed?.params ?? {}
    // These blocks have an operator of their own, and eight times their bytes as floats.
    if (codebook === 'nf4') return undefined
    const recipe: Recipe = {
      kind: 'floats',
      ...(bits ? { bits } : {}),
      ...(codebook ? { codebook: codebooks[codebook] } : {}),
    }
    const floats = this.#initializer(parts, recipe, 'f32', w.aval.shape)
    return this.b.node('FusedMatMul', [nameOf(x), floats], { transA: 0n, transB: 1n, alpha }, microsoft)
  }
}
