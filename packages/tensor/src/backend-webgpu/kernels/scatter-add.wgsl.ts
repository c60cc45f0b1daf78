// scatterAdd: a workgroup an output row looks for its number among the indices and adds the rows it finds, in their order.
import { sizeOf } from '../../shape'
import type { KernelContext } from '../fusion/context'
import { KernelWriter, nestedIndex, plus, Position, type Draft } from '../fusion/writer'

const lanes = 64

export function scatterAddKernel(context: KernelContext<'scatterAdd'>): Draft {
  const { node } = context
  const indices = node.inputs[0]!.aval.shape
  const updates = node.inputs[1]!.aval.shape
  const output = node.outputs[0]!.aval.shape
  const batch = node.params.batchDims === 1 ? output[0]! : 1
  const rows = node.params.size
  const count = sizeOf(indices) / batch
  const columns = sizeOf(updates.slice(indices.length))
  const writer = new KernelWriter()
  const { body } = writer
  const found = writer.workgroupArray('found', 'u32', lanes)
  // Which row of its batch element, and the first of that element's indices.
  const row = batch === 1 ? 'wg' : body.name(`wg % ${rows}u`)
  const first = batch === 1 ? '0u' : body.name(`wg / ${rows}u * ${count}u`)
  const passes = Math.ceil(columns / lanes)
  // A lane adds up every `lanes`-th column; sums of one pass over the indices are in registers.
  body.nest(`for (var round = 0u; round < ${passes}u; round++)`, (block) => {
    block.push(`let column = round * ${lanes}u + lid;`, 'var sum = 0.0f;')
    block.nest(`for (var start = 0u; start < ${count}u; start += ${lanes}u)`, (chunk) => {
      chunk.push('let own = start + lid;')
      chunk.push(`${found}[lid] = 0u;`)
      chunk.nest(`if (own < ${count}u)`, (inside) => {
        const index = context.read(0, new Position(indices, { flat: plus(first, 'own') }), inside)
        inside.push(`${found}[lid] = select(0u, 1u, u32(${index}) == ${row});`)
      })
      chunk.push('workgroupBarrier();')
      chunk.nest(`for (var j = 0u; j < ${lanes}u; j++)`, (each) => {
        each.nest(`if (${found}[j] == 1u && column < ${columns}u)`, (hit) => {
          const flat = nestedIndex(plus(first, '(start + j)'), columns, 'column')
          hit.push(`sum += ${context.read(1, new Position(updates, { flat }), hit)};`)
        })
      })
      chunk.push('workgroupBarrier();')
    })
    block.nest(`if (column < ${columns}u)`, (inside) =>
      inside.push(writer.store(context.output(0).storage, nestedIndex('wg', columns, 'column'), 'sum')),
    )
  })
  return writer.finish({ label: 'scatterAdd', workgroups: batch * rows, workgroupSize: lanes })
}
