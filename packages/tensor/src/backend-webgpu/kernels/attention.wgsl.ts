// Flash attention, forward: scores live in a tile at a time, with a running maximum and sum for every query.
import type { Node } from '../../ir/graph'
import type { OpName } from '../../ir/op'
import type { KernelContext } from '../fusion/context'
import type { Draft } from '../fusion/writer'
import { walkAttention } from './attention-rows.wgsl'
import { attentionSizes, keyRange, scoreOf } from './attention-sizes'
import { FlashWriter, lowest } from './flash'

/** Outputs of four dimensions have the layout [batch, rows, heads, headDim]: what the layers around attention read. */
export function attentionLayout(node: Node, i: number): readonly number[] | undefined {
  const { shape } = node.outputs[i]!.aval
  if (shape.length !== 4) return undefined
  const [, heads, rows, headDim] = shape as [number, number, number, number]
  return [rows * heads * headDim, headDim, heads * headDim, 1]
}

export function attentionKernel(context: KernelContext<'attention'>): Draft {
  const sizes = attentionSizes(context.node)
  if (context.profile.software)
    return walkAttention(context as unknown as KernelContext<OpName>, sizes, scoreOf(context.node))
  const { batch, heads, kvHeads, queries, keys } = sizes
  const score = scoreOf(context.node)
  const flash = new FlashWriter(context as unknown as KernelContext<OpName>, sizes)
  const { body, writer, tile } = flash
  const blocks = Math.ceil(queries / tile)
  body.push(
    // The last queries see most keys: they go first, so that no long workgroup runs alone at the end.
    `let q0 = (${blocks - 1}u - wg % ${blocks}u) * ${tile}u;`,
    `let head = (wg / ${blocks}u) % ${heads}u;`,
    `let batch = wg / ${blocks * heads}u;`,
  )
  const kvHead = body.name(`head / ${heads / kvHeads}u`)
  const [queryRows, keyRows, valueRows] = [
    flash.rows(0, 'batch', 'head'),
    flash.rows(1, 'batch', kvHead),
    flash.rows(2, 'batch', kvHead),
  ]
  const tiles = flash.scoreTile('tile')
  const largest = writer.workgroupArray('largest', 'f32', tile)
  const total = writer.workgroupArray('total', 'f32', tile)
  const shrink = writer.workgroupArray('shrink', 'f32', tile)
  flash.declareSums('o')
  body.push(`if (lid < ${tile}u) { ${largest}[lid] = ${lowest}; ${total}[lid] = 0.0f; }`)
  const visibility = context.node.inputs[3] && context.view(3)!
  const seen = visibility && flash.stageVisibility(body, visibility, 'batch', 'q0')
  const { from, to } = keyRange(body, sizes, 'q0', tile, tile)

  body.nest(`for (var k0 = ${from}; k0 < ${to}; k0 += ${tile}u)`, (block) => {
    flash.scores(block, 's', queryRows, 'q0', keyRows, 'k0')
    flash.eachScore((i, j, row, column) =>
      block.push(
        `${tiles}[${flash.slot(row, column)}] = select(${lowest}, ${score.of(`s_${i}_${j}`)}, ${flash.sees(`q0 + ${row}`, row, `k0 + ${column}`, seen)});`,
      ),
    )
    block.push('workgroupBarrier();')
    block.nest(`if (lid < ${tile}u)`, (row) => {
      row.push(`let before = ${largest}[lid];`, 'var now = before;')
      row.push(`for (var j = 0u; j < ${tile}u; j++) { now = max(now, ${tiles}[${flash.slot('lid', 'j')}]); }`)
      row.push('var sum = 0.0f;')
      row.nest(`for (var j = 0u; j < ${tile}u; j++)`, (each) => {
        each.push(`let s = ${tiles}[${flash.slot('lid', 'j')}];`)
        // A row that has seen no key yet has `now` at the lowest: its hidden scores are not exp(0).
        each.push(`let p = select(0.0f, exp(s - now), s > ${lowest});`)
        each.push(`${tiles}[${flash.slot('lid', 'j')}] = p;`, 'sum += p;')
      })
      row.push(
        'let keep = exp(before - now);',
        `${shrink}[lid] = keep;`,
        `${largest}[lid] = now;`,
        `${total}[lid] = ${total}[lid] * keep + sum;`,
      )
    })
    block.push('workgroupBarrier();')
    flash.eachSum((i, at, row) => block.push(`o_${i}_${at} *= ${shrink}[${row}];`))
    flash.accumulate(block, 'o', tiles, valueRows, 'k0')
  })

  const output = context.output(0)
  flash.storeSums('o', flash.rows(output, 'batch', 'head'), 'q0', (row) => `(1.0f / max(${total}[${row}], 1e-37f))`)
  const logSums = context.output(1).storage
  body.nest(`if (lid < ${tile}u && q0 + lid < ${queries}u)`, (block) =>
    block.push(
      writer.store(
        logSums,
        `(batch * ${heads}u + head) * ${queries}u + q0 + lid`,
        `${largest}[lid] + log(max(${total}[lid], 1e-37f))`,
      ),
    ),
  )
  return writer.finish({
    label: `attention ${queries}×${keys}`,
    workgroups: batch * heads * blocks,
    workgroupSize: flash.lanes,
    joinable: false,
  })
}
