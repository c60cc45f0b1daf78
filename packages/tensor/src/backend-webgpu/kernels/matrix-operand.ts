// How a matrix kernel reads one operand: element by element, or four at a time along the direction in which it is contiguous.
import { sizeOf, type Shape } from '../../shape'
import { dequantisedQuad } from '../fusion/dequantise'
import { operandPosition } from '../fusion/inline-dot'
import type { KernelContext } from '../fusion/context'
import { reshapeView, type View } from '../fusion/storage'
import { nestedIndex, over, plus, Position, times, u32, type Block } from '../fusion/writer'

/** One operand of a product; `outer` is its row of the result (left) or column (right), `k` the inner index. */
export interface MatrixOperand {
  element(outer: string, k: string, block: Block): string
  /** The direction in which four neighbours are one load; `quad` takes the first of the four. */
  readonly along: 'k' | 'outer' | undefined
  quad(outer: string, k: string, block: Block): string
}

/** What a product computes: `batch` products of [m, k] by [k, n]. */
export interface DotShape {
  readonly batch: Shape
  readonly m: number
  readonly n: number
  readonly k: number
  /** The left operand's batch dimensions are folded into m: one matrix on the right serves all. */
  readonly folded: boolean
}

export function dotShape(
  a: Shape,
  b: Shape,
  output: Shape,
  { transposeA, transposeB }: { transposeA: boolean; transposeB: boolean },
): DotShape {
  const folded = !transposeA && sizeOf(b.slice(0, -2)) === 1 && sizeOf(a.slice(0, -2)) === sizeOf(output.slice(0, -2))
  const k = a.at(transposeA ? -2 : -1)!
  const n = b.at(transposeB ? -2 : -1)!
  const [batch, m] = folded ? [[], sizeOf(output.slice(0, -1))] : [output.slice(0, -2), output.at(-2)!]
  return { batch, m, n, k, folded }
}

const isFourfold = (...values: number[]): boolean => values.every((v) => v % 4 === 0)

/** Strides of an operand's view in terms of the product, or undefined when it has to be read element by element. */
function strided(view: View, transposed: boolean, batchRank: number, folded: boolean) {
  const matrix = folded ? reshapeView(view, [sizeOf(view.shape.slice(0, -1)), view.shape.at(-1)!]) : view
  if (!matrix) return undefined
  const [row, column] = matrix.strides.slice(-2) as [number, number]
  const lead = matrix.strides.slice(0, -2)
  const batch = [
    ...Array.from({ length: batchRank - lead.length }, () => 0),
    ...lead.map((s, i) => (matrix.shape[i] === 1 ? 0 : s)),
  ]
  return { outer: transposed ? column : row, k: transposed ? row : column, batch, offset: matrix.offset }
}

/**
 * Operand `i` of a product.
 * @param transposed whether the inner index is its first
 * @param batch coordinates in the output's batch dimensions
 */
export function matrixOperand(
  context: KernelContext<'dot'>,
  i: 0 | 1,
  shape: DotShape,
  batch: readonly string[],
  kernel: Block,
): MatrixOperand {
  const { params } = context.node
  const inputShape = context.node.inputs[i]!.aval.shape
  // Stored as [outer, k] unless turned: left is [m, k], right is [n, k] when transposeB.
  const kFirst = i === 0 ? params.transposeA : !params.transposeB
  const folded = shape.folded && i === 0
  const view = context.view(i)
  const strides = view && strided(view, kFirst, shape.batch.length, folded)
  if (view && strides) {
    const base = kernel.name(
      strides.batch.reduce((sum, stride, axis) => plus(sum, times(batch[axis]!, stride)), u32(strides.offset)),
    )
    const place = (outer: string, k: string) => plus(plus(times(outer, strides.outer), times(k, strides.k)), base)
    const outerSize = i === 0 ? shape.m : shape.n
    const floats = ['f32', 'f16', 'halves', 'brains'].includes(view.storage.element)
    const isEven = floats && isFourfold(strides.offset, view.storage.length, ...strides.batch)
    const along =
      isEven && strides.k === 1 && isFourfold(shape.k, outerSize === 1 ? 0 : strides.outer)
        ? 'k'
        : isEven && strides.outer === 1 && isFourfold(outerSize, shape.k === 1 ? 0 : strides.k)
          ? 'outer'
          : undefined
    return {
      along,
      element: (outer, k, block) => block.name(block.writer.load(view.storage, block.name(place(outer, k)))),
      quad: (outer, k, block) => block.name(block.writer.load4(view.storage, over(place(outer, k), 4))),
    }
  }
  const element = (outer: string, k: string, block: Block): string => {
    const [row, column] = kFirst ? [k, outer] : [outer, k]
    const position = folded
      ? new Position(inputShape, { flat: block.name(nestedIndex(outer, shape.k, k)) })
      : operandPosition(inputShape, batch, row, column)
    return context.read(i, position, block)
  }
  const quad = folded ? undefined : dequantisedQuad(context, context.node.inputs[i]!)
  const isEven = quad && inputShape[1]! % 4 === 0
  if (quad && isEven)
    return {
      along: kFirst ? 'outer' : 'k',
      element,
      quad: (outer, k, block) => (kFirst ? quad(k, outer, block) : quad(outer, k, block)),
    }
  return {
    along: undefined,
    element,
    quad: () => {
      throw new Error('no four neighbours')
    },
  }
}

/** Four values along k, of which those from `size` on are 0. */
export function quadAlongK(operand: MatrixOperand, outer: string, k: string, size: number, block: Block): string {
  if (operand.along === 'k') return operand.quad(outer, k, block)
  return block.name(
    `vec4f(${[0, 1, 2, 3].map((c) => guarded(operand, outer, plus(k, u32(c)), size, block)).join(', ')})`,
  )
}

/** Four values along the outer index from `outer` (clamped to `size`). */
export function quadAlongOuter(operand: MatrixOperand, outer: string, k: string, size: number, block: Block): string {
  if (operand.along === 'outer') return operand.quad(outer, k, block)
  const at = (c: number) => block.name(`min(${plus(outer, u32(c))}, ${u32(size - 1)})`)
  return block.name(`vec4f(${[0, 1, 2, 3].map((c) => operand.element(at(c), k, block)).join(', ')})`)
}

/** One element, 0 from k = `size` on. */
function guarded(operand: MatrixOperand, outer: string, k: string, size: number, block: Block): string {
  if (size % 4 === 0) return operand.element(outer, block.name(k), block)
  const inside = block.name(k)
  const clamped = block.name(`min(${inside}, ${u32(size - 1)})`)
  return `select(0.0f, ${operand.element(outer, clamped, block)}, ${inside} < ${u32(size)})`
}

/** Coordinates of batch number `b`. */
export const batchCoordinates = (shape: DotShape, b: string, block: Block): readonly string[] =>
  shape.batch.length === 0 ? [] : new Position(shape.batch, { flat: b }).coordinates(block)

/** Where element (`m`, `n`) of product `batch` is in the output. */
export function resultPosition(context: KernelContext<'dot'>, shape: DotShape, block: Block): Position {
  const output = context.node.outputs[0]!.aval.shape
  const row = shape.batch.length === 0 ? 'm' : `(batch * ${u32(shape.m)} + m)`
  const flat = block.name(nestedIndex(row, shape.n, 'n'))
  if (shape.folded && output.length > 2) return new Position(output, { flat })
  return new Position(output, { flat, coordinates: [...batchCoordinates(shape, 'batch', block), 'm', 'n'] })
}
