// Flash attention, backward: probabilities are made again from the scores and the saved log-sums, a tile at a time.
import type { OpName } from '../../ir/op'
import type { KernelContext } from '../fusion/context'
import type { Storage } from '../fusion/storage'
import { plus, Position, times, u32, type Block, type Draft } from '../fusion/writer'
import { walkAttentionGrad } from './attention-rows.wgsl'
import { attentionSizes, keyRange, queryRange, scoreOf, type AttentionSizes } from './attention-sizes'
import { FlashWriter } from './flash'
import { RowWriter } from './rows.wgsl'

type Context = KernelContext<'attentionGrad'>
const [Q, K, V, O, LOG_SUM, G, VISIBILITY] = [0, 1, 2, 3, 4, 5, 6] as const

export function attentionGradKernels(context: Context): Draft[] {
  const sizes = attentionSizes(context.node)
  const rowDots = context.temporary('f32', sizes.batch * sizes.heads * sizes.queries)
  const dots = rowDotKernel(context, sizes, rowDots)
  return context.profile.software
    ? [dots, ...walkAttentionGrad(context as unknown as KernelContext<OpName>, sizes, scoreOf(context.node), rowDots)]
    : [dots, keyKernel(context, sizes, rowDots), queryKernel(context, sizes, rowDots)]
}

/** Σ g·o of each query: what its probabilities' cotangents have in common. */
function rowDotKernel(context: Context, { batch, heads, queries, headDim }: AttentionSizes, rowDots: Storage): Draft {
  const row = new RowWriter(batch * heads * queries, headDim, context.profile.software)
  return row.write('attentionGrad row dots', (number, body) => {
    const index = new Position([batch, heads, queries], { flat: number }).coordinates(body)
    const at = (i: number, column: string, block: Block) => {
      const { storage, strides, offset } = context.view(i)!
      const place = [...index, column].reduce((sum, c, axis) => plus(sum, times(c, strides[axis]!)), u32(offset))
      return block.name(row.writer.load(storage, place))
    }
    const [sum] = row.reduce(body, ['sum'], (c, block) => [`${at(G, c, block)} * ${at(O, c, block)}`])
    row.once(body, (block) => block.push(row.writer.store(rowDots, number, sum!)))
  })
}

/** Logarithms and row dots of the queries from `q0` on, in workgroup memory. */
function stageStatistics(
  flash: FlashWriter,
  block: Block,
  context: Context,
  rowDots: Storage,
  head: string,
): [string, string] {
  const { queries, heads } = flash.sizes
  const { writer, tile } = flash
  const logSums = writer.workgroupArray('logSums', 'f32', tile)
  const dots = writer.workgroupArray('dots', 'f32', tile)
  const view = context.view(LOG_SUM)!
  block.nest(`if (lid < ${tile}u)`, (each) => {
    const query = each.name(`min(q0 + lid, ${queries - 1}u)`)
    const [b, h, s] = view.strides as [number, number, number]
    const place = [times('batch', b), times(head, h), times(query, s), u32(view.offset)].reduce(plus)
    each.push(`${logSums}[lid] = ${writer.load(view.storage, place)};`)
    each.push(`${dots}[lid] = ${writer.load(rowDots, `(batch * ${heads}u + ${head}) * ${queries}u + ${query}`)};`)
  })
  block.push('workgroupBarrier();')
  return [logSums, dots]
}

function queryKernel(context: Context, sizes: AttentionSizes, rowDots: Storage): Draft {
  const { batch, heads, kvHeads, queries, keys } = sizes
  const score = scoreOf(context.node)
  const flash = new FlashWriter(context as unknown as KernelContext<OpName>, sizes)
  const { body, writer, tile } = flash
  const blocks = Math.ceil(queries / tile)
  body.push(
    `let q0 = (${blocks - 1}u - wg % ${blocks}u) * ${tile}u;`,
    `let head = (wg / ${blocks}u) % ${heads}u;`,
    `let batch = wg / ${blocks * heads}u;`,
  )
  const kvHead = body.name(`head / ${heads / kvHeads}u`)
  const [q, g] = [flash.rows(Q, 'batch', 'head'), flash.rows(G, 'batch', 'head')]
  const [k, v] = [flash.rows(K, 'batch', kvHead), flash.rows(V, 'batch', kvHead)]
  const tiles = flash.scoreTile('tile')
  flash.declareSums('dq')
  const visibility = context.node.inputs[VISIBILITY] && context.view(VISIBILITY)!
  const seen = visibility && flash.stageVisibility(body, visibility, 'batch', 'q0')
  const [logSums, dots] = stageStatistics(flash, body, context, rowDots, 'head')
  const { from, to } = keyRange(body, sizes, 'q0', tile, tile)
  body.nest(`for (var k0 = ${from}; k0 < ${to}; k0 += ${tile}u)`, (block) => {
    flash.scores(block, 's', q, 'q0', k, 'k0')
    flash.scores(block, 'dp', g, 'q0', v, 'k0')
    flash.eachScore((i, j, row, column) => {
      block.push(`s_${i}_${j} = ${score.of(`s_${i}_${j}`)};`)
      const p = `exp(s_${i}_${j} - ${logSums}[${row}])`
      const sees = flash.sees(`q0 + ${row}`, row, `k0 + ${column}`, seen)
      block.push(
        `${tiles}[${flash.slot(row, column)}] = select(0.0f, ${p} * (dp_${i}_${j} - ${dots}[${row}]) * ${score.slope(`s_${i}_${j}`)}, ${sees});`,
      )
    })
    block.push('workgroupBarrier();')
    flash.accumulate(block, 'dq', tiles, k, 'k0')
  })
  flash.storeSums('dq', flash.rows(context.output(0), 'batch', 'head'), 'q0')
  return writer.finish({
    label: `attentionGrad q ${queries}×${keys}`,
    workgroups: batch * heads * blocks,
    workgroupSize: flash.lanes,
  })
}

function keyKernel(context: Context, sizes: AttentionSizes, rowDots: Storage): Draft {
  const { batch, heads, kvHeads, queries, keys } = sizes
  const group = heads / kvHeads
  const score = scoreOf(context.node)
  const flash = new FlashWriter(context as unknown as KernelContext<OpName>, sizes)
  const { body, writer, tile } = flash
  const blocks = Math.ceil(keys / tile)
  body.push(
    `let k0 = (wg % ${blocks}u) * ${tile}u;`,
    `let kvHead = (wg / ${blocks}u) % ${kvHeads}u;`,
    `let batch = wg / ${blocks * kvHeads}u;`,
  )
  const [k, v] = [flash.rows(K, 'batch', 'kvHead'), flash.rows(V, 'batch', 'kvHead')]
  const tiles = flash.scoreTile('tile')
  flash.declareSums('dk')
  flash.declareSums('dv')
  const visibility = context.node.inputs[VISIBILITY] && context.view(VISIBILITY)!
  const { from, to } = queryRange(body, sizes, 'k0', tile, tile)
  body.nest(`for (var step = 0u; step < ${group}u; step++)`, (heads_) => {
    heads_.push(`let head = kvHead * ${group}u + step;`)
    const base = (i: number) => {
      const view = context.view(i)!
      const [b, h] = view.strides as [number, number]
      const at = heads_.name([times('batch', b), times('head', h), u32(view.offset)].reduce(plus))
      return { view, base: at, count: view.shape[2]! }
    }
    const [q, g] = [base(Q), base(G)]
    heads_.nest(`for (var q0 = ${from}; q0 < ${to}; q0 += ${tile}u)`, (block) => {
      const seen = visibility && flash.stageVisibility(block, visibility, 'batch', 'q0')
      const [logSums, dots] = stageStatistics(flash, block, context, rowDots, 'head')
      // Rows are keys here and columns queries: dk and dv gather over queries.
      flash.scores(block, 's', k, 'k0', q, 'q0')
      flash.scores(block, 'dp', v, 'k0', g, 'q0')
      flash.eachScore((i, j, row, column) => {
        const sees = flash.sees(`q0 + ${column}`, column, `k0 + ${row}`, seen)
        block.push(
          `s_${i}_${j} = ${score.of(`s_${i}_${j}`)};`,
          `${tiles}[${flash.slot(row, column)}] = select(0.0f, exp(s_${i}_${j} - ${logSums}[${column}]), ${sees});`,
          // With the slope of the score in it, the second product's factor is ready.
          `dp_${i}_${j} = (dp_${i}_${j} - ${dots}[${column}]) * ${score.slope(`s_${i}_${j}`)} * ${tiles}[${flash.slot(row, column)}];`,
        )
      })
      block.push('workgroupBarrier();')
      flash.accumulate(block, 'dv', tiles, g, 'q0')
      flash.eachScore((i, j, row, column) => block.push(`${tiles}[${flash.slot(row, column)}] = dp_${i}_${j};`))
      block.push('workgroupBarrier();')
      flash.accumulate(block, 'dk', tiles, q, 'q0')
    })
  })
  flash.storeSums('dk', flash.rows(context.output(1), 'batch', 'kvHead'), 'k0')
  flash.storeSums('dv', flash.rows(context.output(2), 'batch', 'kvHead'), 'k0')
  return writer.finish({
    label: `attentionGrad k v ${queries}×${keys}`,
    workgroups: batch * kvHeads * blocks,
    workgroupSize: flash.lanes,
  })
}
