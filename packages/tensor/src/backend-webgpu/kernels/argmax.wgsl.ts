// argmax: one invocation an output; the first of equal elements wins.
import { sizeOf } from '../../shape'
import type { KernelContext } from '../fusion/context'
import { KernelWriter, Position, type Draft } from '../fusion/writer'

export function argmaxKernel(context: KernelContext<'argmax'>): Draft {
  const { axis } = context.node.params
  const input = context.node.inputs[0]!.aval.shape
  const output = context.node.outputs[0]!.aval.shape
  const outputs = sizeOf(output)
  const writer = new KernelWriter()
  const workgroupSize = 64
  writer.body.push(`let i = wg * ${workgroupSize}u + lid;`)
  writer.body.nest(`if (i < ${outputs}u)`, (body) => {
    const position = new Position(output, { flat: 'i' })
    const coordinates = position.coordinates(body)
    const at = (k: string) =>
      new Position(input, { coordinates: [...coordinates.slice(0, axis), k, ...coordinates.slice(axis)] })
    body.push(`var best = ${context.read(0, at('0u'), body)};`, 'var place = 0i;')
    body.nest(`for (var k = 1u; k < ${input[axis]}u; k++)`, (block) => {
      const x = context.read(0, at('k'), block)
      block.push(`if (${x} > best) { best = ${x}; place = i32(k); }`)
    })
    context.finish('place', position, body)
  })
  return writer.finish({ label: 'argmax', workgroups: Math.ceil(outputs / workgroupSize), workgroupSize })
}
