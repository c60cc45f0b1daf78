// sum and max over any axes: each output is a row of the elements that are reduced into it.
import { sizeOf } from '../../shape'
import type { KernelContext } from '../fusion/context'
import { Position, type Block, type Draft } from '../fusion/writer'
import { RowWriter, type Combine } from './rows.wgsl'

/** Elements from which the lanes of a workgroup share one output. */
const longReduction = 64

export const reduceKernel =
  (combine: Combine) =>
  (context: KernelContext<'sum' | 'max'>): Draft => {
    const { node, profile } = context
    const { axes, keepDims } = node.params
    const input = node.inputs[0]!.aval
    const output = node.outputs[0]!.aval
    const reduced = axes.map((axis) => input.shape[axis]!)
    const type = input.dtype === 'i32' || input.dtype === 'u32' ? input.dtype : 'f32'

    /** Element `k` of those reduced into output `o`. */
    const element = (o: Position, k: string, block: Block): string => {
      const outer = o.coordinates(block)
      const inner = new Position(reduced, { flat: k }).coordinates(block)
      let kept = 0
      const coordinates = input.shape.map((_, i) => {
        const at = axes.indexOf(i)
        if (at < 0) return outer[kept++]!
        if (keepDims) kept++
        return inner[at]!
      })
      const covers = axes.length === input.shape.length && axes.every((axis, i) => axis === i)
      return context.read(0, new Position(input.shape, covers ? { flat: k, coordinates } : { coordinates }), block)
    }
    const length = sizeOf(reduced)
    const row = new RowWriter(sizeOf(output.shape), length, profile.software || length < longReduction)
    return row.write(node.op, (number, body) => {
      const position = new Position(output.shape, { flat: number })
      const [result] = row.reduce(body, [combine], (k, block) => [element(position, k, block)], type)
      row.once(body, (block) => context.finish(result!, position, block))
    })
  }
