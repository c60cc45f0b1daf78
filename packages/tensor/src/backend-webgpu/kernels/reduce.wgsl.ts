// sum and max over any axes: a workgroup an output where the reduced elements are many, else an invocation.
import type { OpName } from '../../ir/op'
import { sizeOf } from '../../shape'
import type { KernelContext } from '../kernel'
import { f32, KernelWriter, Position, type Block, type Draft } from '../writer'
import { combineText, reduceLanes, rowLanes, type Combine } from './rows.wgsl'

/** Elements from which a workgroup shares one output. */
const longReduction = 64

export const reduceKernel =
  (combine: Combine) =>
  (context: KernelContext<'sum' | 'max'>): Draft => {
    const { node } = context
    const { axes, keepDims } = node.params
    const input = node.inputs[0]!.aval
    const output = node.outputs[0]!.aval
    const reduced = axes.map((axis) => input.shape[axis]!)
    const length = sizeOf(reduced)
    const outputs = sizeOf(output.shape)
    const isInteger = input.dtype === 'i32' || input.dtype === 'u32'
    const type = isInteger ? (input.dtype as 'i32' | 'u32') : 'f32'
    const lowest = type === 'f32' ? f32(-3.4e38) : type === 'i32' ? '(-2147483647i - 1i)' : '0u'
    const zero = type === 'f32' ? '0.0f' : type === 'i32' ? '0i' : '0u'

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
    const accumulate = (body: Block, o: Position, start: string, step: number): string => {
      const sum = body.writer.newName('r')
      const k = body.writer.newName('k')
      body.push(`var ${sum} = ${combine === 'sum' ? zero : lowest};`)
      body.nest(`for (var ${k} = ${start}; ${k} < ${length}u; ${k} += ${step}u)`, (block) =>
        block.push(`${sum} = ${combineText(combine, sum, element(o, k, block))};`),
      )
      return sum
    }

    const writer = new KernelWriter()
    const { body } = writer
    const label = node.op as OpName
    if (length >= longReduction) {
      const lanes = rowLanes(length)
      const position = new Position(output.shape, { flat: 'wg' })
      const result = reduceLanes(body, accumulate(body, position, 'lid', lanes), combine, lanes, type)
      body.nest('if (lid == 0u)', (block) => context.finish(result, position, block))
      return writer.finish({ label, workgroups: outputs, workgroupSize: lanes })
    }
    const workgroupSize = 64
    body.push(`let i = wg * ${workgroupSize}u + lid;`)
    body.nest(`if (i < ${outputs}u)`, (block) => {
      const position = new Position(output.shape, { flat: 'i' })
      context.finish(accumulate(block, position, '0u', 1), position, block)
    })
    return writer.finish({ label, workgroups: Math.ceil(outputs / workgroupSize), workgroupSize })
  }
