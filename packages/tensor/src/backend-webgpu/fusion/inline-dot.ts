// A product with a short inner dimension, evaluated for one element: how LoRA's second factor joins another kernel.
import type { Node } from '../../ir/graph'
import type { KernelContext } from './context'
import type { OpName } from '../../ir/op'
import type { View } from './storage'
import { over, plus, Position, times, u32, type Block } from './writer'

/** Coordinates of a product's operand for batch coordinates `batch` of the output. */
export function operandPosition(
  shape: readonly number[],
  batch: readonly string[],
  row: string,
  column: string,
): Position {
  const lead = batch.length - (shape.length - 2)
  const own = shape.slice(0, -2).map((d, i) => (d === 1 ? '0u' : batch[i + lead]!))
  return new Position(shape, { coordinates: [...own, row, column] })
}

export function inlineDot(context: KernelContext<OpName>, node: Node<'dot'>, position: Position, block: Block): string {
  const { transposeA, transposeB } = node.params
  const [a, b] = [node.inputs[0]!, node.inputs[1]!]
  const coordinates = position.coordinates(block)
  const batch = coordinates.slice(0, -2)
  const [row, column] = coordinates.slice(-2) as [string, string]
  const inner = a.aval.shape.at(transposeA ? -2 : -1)!
  const { writer } = block
  const at = (shape: readonly number[], first: string, second: string, transposed: boolean) =>
    transposed ? operandPosition(shape, batch, second, first) : operandPosition(shape, batch, first, second)
  const left = (k: string) => at(a.aval.shape, row, k, transposeA)
  const right = (k: string) => at(b.aval.shape, k, column, transposeB)
  const sum = writer.newName('sum')
  const k = writer.newName('k')
  block.push(`var ${sum} = 0.0f;`)
  const [x, y] = [context.viewOf(a), context.viewOf(b)]
  const quads = inner % 4 === 0 && x && y && isQuad(x, transposeA ? -2 : -1) && isQuad(y, transposeB ? -1 : -2)
  block.nest(`for (var ${k} = 0u; ${k} < ${inner}u; ${k} += ${quads ? 4 : 1}u)`, (body) => {
    const product = quads
      ? `dot(${loadQuad(x, left(k), body)}, ${loadQuad(y, right(k), body)})`
      : `${context.evaluate(a, left(k), body)} * ${context.evaluate(b, right(k), body)}`
    body.push(`${sum} += ${product};`)
  })
  return sum
}

/** Whether four neighbours along `axis` (from the end) of a view are one load. */
function isQuad({ strides, offset, storage }: View, axis: -1 | -2): boolean {
  const others = strides.filter((_, i) => i !== strides.length + axis)
  return (
    strides.at(axis) === 1 &&
    ['f32', 'f16', 'halves', 'brains'].includes(storage.element) &&
    [...others, offset, storage.length].every((n) => n % 4 === 0)
  )
}

/** The four elements from `position` on. */
function loadQuad({ storage, strides, offset }: View, position: Position, block: Block): string {
  const coordinates = position.coordinates(block)
  const at = coordinates.reduce((total, c, i) => plus(total, times(c, strides[i]!)), u32(offset))
  return block.name(block.writer.load4(storage, over(at, 4)))
}
