// The kernel of a cluster without an anchor: one invocation an element.
import type { OpName } from '../../ir/op'
import type { KernelContext } from '../fusion/context'
import { KernelWriter, Position, type Draft } from '../fusion/writer'

export function elementwiseKernel(context: KernelContext<OpName>): Draft {
  const { roots, size } = context.cluster
  const writer = new KernelWriter()
  const { body } = writer
  const workgroupSize = 64
  const shape = roots[0]!.value.aval.shape
  const workgroups = Math.ceil(size / workgroupSize)
  body.push(`let i = wg * ${workgroupSize}u + lid;`)
  const position = new Position(shape, { flat: 'i' })
  if (size % workgroupSize === 0) context.follow(position, body, new Map(), [])
  else body.nest(`if (i < ${size}u)`, (block) => context.follow(position, block, new Map(), []))
  return writer.finish({ label: roots.map((r) => r.value.node?.op ?? 'copy').join('/'), workgroups, workgroupSize })
}
