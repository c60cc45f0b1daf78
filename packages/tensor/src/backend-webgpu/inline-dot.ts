// A product with a short inner dimension, evaluated for one element: how LoRA's second factor joins another kernel.
import type { Node } from '../ir/graph'
import type { KernelContext } from './kernel'
import type { OpName } from '../ir/op'
import { Position, type Block } from './writer'

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
  const sum = block.writer.newName('sum')
  const k = block.writer.newName('k')
  block.push(`var ${sum} = 0.0f;`)
  block.nest(`for (var ${k} = 0u; ${k} < ${inner}u; ${k}++)`, (body) => {
    const at = (shape: readonly number[], first: string, second: string, transposed: boolean) =>
      transposed ? operandPosition(shape, batch, second, first) : operandPosition(shape, batch, first, second)
    const x = context.evaluate(a, at(a.aval.shape, row, k, transposeA), body)
    const y = context.evaluate(b, at(b.aval.shape, k, column, transposeB), body)
    body.push(`${sum} += ${x} * ${y};`)
  })
  return sum
}
