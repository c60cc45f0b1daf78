// Attention where the adapter is a CPU: an invocation takes a query (or a key, for its gradient) and walks along the others.
// No workgroup memory, no barriers, and only the keys that are seen are touched.
import type { OpName } from '../../ir/op'
import type { KernelContext } from '../fusion/context'
import type { Storage, View } from '../fusion/storage'
import { KernelWriter, plus, Position, times, u32, type Block, type Draft } from '../fusion/writer'
import { keyRange, placeSees, queryRange, type AttentionSizes, type Score } from './attention-sizes'

const workgroupSize = 64

/** Row `row` of head `head`: a way to read its columns. */
type Row = (column: string, block: Block) => string

class WalkWriter {
  readonly writer = new KernelWriter()

  constructor(
    readonly context: KernelContext<OpName>,
    readonly sizes: AttentionSizes,
  ) {}

  /** One invocation for each of `count` rows of `heads` heads. */
  write(
    label: string,
    heads: number,
    count: number,
    fill: (at: { batch: string; head: string; row: string; flat: string }, body: Block) => void,
  ): Draft {
    const total = this.sizes.batch * heads * count
    const { body } = this.writer
    body.push(`let flat = wg * ${workgroupSize}u + lid;`)
    body.nest(`if (flat < ${total}u)`, (block) => {
      const [batch, head, row] = new Position([this.sizes.batch, heads, count], { flat: 'flat' }).coordinates(block)
      fill({ batch: batch!, head: head!, row: row!, flat: 'flat' }, block)
    })
    return this.writer.finish({ label, workgroups: Math.ceil(total / workgroupSize), workgroupSize })
  }

  row(view: View, batch: string, head: string, row: string, block: Block): Row {
    const [b, h, s, d] = view.strides as [number, number, number, number]
    const base = block.name([times(batch, b), times(head, h), times(row, s), u32(view.offset)].reduce(plus))
    return (column, inner) => inner.name(this.writer.load(view.storage, plus(base, times(column, d))))
  }

  scalar(view: View, batch: string, head: string, row: string, block: Block): string {
    const [b, h, s] = view.strides as [number, number, number]
    const at = [times(batch, b), times(head, h), times(row, s), u32(view.offset)].reduce(plus)
    return block.name(this.writer.load(view.storage, at))
  }

  /** Runs `fill` for each column of a head. */
  columns(block: Block, fill: (column: string, inner: Block) => void): void {
    const column = this.writer.newName('d')
    block.nest(`for (var ${column} = 0u; ${column} < ${this.sizes.headDim}u; ${column}++)`, (inner) =>
      fill(column, inner),
    )
  }

  /** An array of one head's columns, filled from `from` or with zeros. */
  local(block: Block, name: string, from?: Row): void {
    block.push(`var ${name} = array<f32, ${this.sizes.headDim}>();`)
    if (from) this.columns(block, (d, inner) => inner.push(`${name}[${d}] = ${from(d, inner)};`))
  }

  /** Declares `name` as the product of an array of columns and a row. */
  product(block: Block, name: string, left: string, right: Row): void {
    block.push(`var ${name} = 0.0f;`)
    this.columns(block, (d, inner) => inner.push(`${name} += ${left}[${d}] * ${right(d, inner)};`))
  }

  store(block: Block, output: View, at: { batch: string; head: string; row: string }, name: string): void {
    const [b, h, s, d] = output.strides as [number, number, number, number]
    const base = block.name([times(at.batch, b), times(at.head, h), times(at.row, s), u32(output.offset)].reduce(plus))
    this.columns(block, (column, inner) =>
      inner.push(this.writer.store(output.storage, plus(base, times(column, d)), `${name}[${column}]`)),
    )
  }

  /** Whether query `query` sees key `key`, and the range of keys in which those it sees are. */
  sight(visibility: View | undefined, batch: string, query: string, block: Block) {
    const { keys } = this.sizes
    const place = keyRange(block, this.sizes, query, 1, 1)
    if (!visibility) return { ...place, sees: (key: string) => placeSees(this.sizes, query, key).join(' && ') }
    const first = visibility.shape[0] === 1 ? 0 : visibility.strides[0]!
    const [last, start, prefixEnd, branchStart] = [0, 1, 2, 3].map((i) => {
      const at = [
        times(batch, first),
        times(query, visibility.strides[1]!),
        u32(visibility.offset + i * visibility.strides[2]!),
      ]
      return block.name(this.writer.load(visibility.storage, at.reduce(plus)))
    }) as [string, string, string, string]
    const inBranch = (k: string) => `(i32(${k}) < ${prefixEnd} || i32(${k}) >= ${branchStart})`
    return {
      from: block.name(`max(${place.from}, u32(max(${start}, 0i)))`),
      to: block.name(`min(${place.to}, u32(min(${last}, ${keys - 1}i) + 1i))`),
      sees: (k: string) =>
        [...placeSees(this.sizes, query, k), `i32(${k}) >= ${start} && i32(${k}) <= ${last} && ${inBranch(k)}`].join(
          ' && ',
        ),
    }
  }
}

/** Inputs q, k, v and perhaps visibility; outputs o and the log-sums. */
export function walkAttention(context: KernelContext<OpName>, sizes: AttentionSizes, score: Score): Draft {
  const walk = new WalkWriter(context, sizes)
  const visibility = context.node.inputs[3] && context.view(3)!
  return walk.write(`attention ${sizes.queries}×${sizes.keys}`, sizes.heads, sizes.queries, (at, body) => {
    const kvHead = body.name(`${at.head} / ${sizes.heads / sizes.kvHeads}u`)
    walk.local(body, 'q', walk.row(context.view(0)!, at.batch, at.head, at.row, body))
    walk.local(body, 'o')
    body.push('var largest = -1e30f;', 'var total = 0.0f;')
    const { from, to, sees } = walk.sight(visibility, at.batch, at.row, body)
    body.nest(`for (var j = ${from}; j < ${to}; j++)`, (step) =>
      step.nest(`if (${sees('j')})`, (seen) => {
        walk.product(seen, 's', 'q', walk.row(context.view(1)!, at.batch, kvHead, 'j', seen))
        seen.push(
          `let score = ${score.of('s')};`,
          'let now = max(largest, score);',
          'let keep = exp(largest - now);',
          'let p = exp(score - now);',
          'total = total * keep + p;',
          'largest = now;',
        )
        const v = walk.row(context.view(2)!, at.batch, kvHead, 'j', seen)
        walk.columns(seen, (d, inner) => inner.push(`o[${d}] = o[${d}] * keep + p * ${v(d, inner)};`))
      }),
    )
    body.push('let inverse = 1.0f / max(total, 1e-37f);')
    walk.columns(body, (d, inner) => inner.push(`o[${d}] *= inverse;`))
    walk.store(body, context.output(0), at, 'o')
    body.push(walk.writer.store(context.output(1).storage, at.flat, 'largest + log(max(total, 1e-37f))'))
  })
}

/** The gradient's second half: inputs q, k, v, o, log-sums, g and perhaps visibility; `rowDots` is Σ g·o of each query. */
export function walkAttentionGrad(
  context: KernelContext<OpName>,
  sizes: AttentionSizes,
  score: Score,
  rowDots: Storage,
): Draft[] {
  const { heads, kvHeads, queries, keys } = sizes
  const group = heads / kvHeads
  const visibility = context.node.inputs[6] && context.view(6)!
  const view = (i: number) => context.view(i)!
  const rowDot = (walk: WalkWriter, batch: string, head: string, query: string, block: Block) =>
    block.name(walk.writer.load(rowDots, `(${batch} * ${heads}u + ${head}) * ${queries}u + ${query}`))

  const ofQueries = new WalkWriter(context, sizes)
  const queryDraft = ofQueries.write(`attentionGrad q ${queries}×${keys}`, heads, queries, (at, body) => {
    const kvHead = body.name(`${at.head} / ${group}u`)
    ofQueries.local(body, 'q', ofQueries.row(view(0), at.batch, at.head, at.row, body))
    ofQueries.local(body, 'g', ofQueries.row(view(5), at.batch, at.head, at.row, body))
    ofQueries.local(body, 'dq')
    const logSum = ofQueries.scalar(view(4), at.batch, at.head, at.row, body)
    const dots = rowDot(ofQueries, at.batch, at.head, at.row, body)
    const { from, to, sees } = ofQueries.sight(visibility, at.batch, at.row, body)
    body.nest(`for (var j = ${from}; j < ${to}; j++)`, (step) =>
      step.nest(`if (${sees('j')})`, (seen) => {
        const k = ofQueries.row(view(1), at.batch, kvHead, 'j', seen)
        ofQueries.product(seen, 's', 'q', k)
        ofQueries.product(seen, 'dp', 'g', ofQueries.row(view(2), at.batch, kvHead, 'j', seen))
        seen.push(
          `let score = ${score.of('s')};`,
          `let ds = exp(score - ${logSum}) * (dp - ${dots}) * ${score.slope('score')};`,
        )
        ofQueries.columns(seen, (d, inner) => inner.push(`dq[${d}] += ds * ${k(d, inner)};`))
      }),
    )
    ofQueries.store(body, context.output(0), at, 'dq')
  })

  const ofKeys = new WalkWriter(context, sizes)
  const keyDraft = ofKeys.write(`attentionGrad k v ${queries}×${keys}`, kvHeads, keys, (at, body) => {
    ofKeys.local(body, 'k', ofKeys.row(view(1), at.batch, at.head, at.row, body))
    ofKeys.local(body, 'v', ofKeys.row(view(2), at.batch, at.head, at.row, body))
    ofKeys.local(body, 'dk')
    ofKeys.local(body, 'dv')
    const { from, to } = queryRange(body, sizes, at.row, 1, 1)
    body.nest(`for (var head = ${at.head} * ${group}u; head < (${at.head} + 1u) * ${group}u; head++)`, (each) =>
      each.nest(`for (var i = ${from}; i < ${to}; i++)`, (step) => {
        const { sees } = ofKeys.sight(visibility, at.batch, 'i', step)
        step.nest(`if (${sees(at.row)})`, (seen) => {
          const q = ofKeys.row(view(0), at.batch, 'head', 'i', seen)
          const g = ofKeys.row(view(5), at.batch, 'head', 'i', seen)
          ofKeys.product(seen, 's', 'k', q)
          ofKeys.product(seen, 'dp', 'v', g)
          const logSum = ofKeys.scalar(view(4), at.batch, 'head', 'i', seen)
          seen.push(`let score = ${score.of('s')};`, `let p = exp(score - ${logSum});`)
          seen.push(`let ds = p * (dp - ${rowDot(ofKeys, at.batch, 'head', 'i', seen)}) * ${score.slope('score')};`)
          ofKeys.columns(seen, (d, inner) =>
            inner.push(`dk[${d}] += ds * ${q(d, inner)};`, `dv[${d}] += p * ${g(d, inner)};`),
          )
        })
      }),
    )
    ofKeys.store(body, context.output(1), at, 'dk')
    ofKeys.store(body, context.output(2), at, 'dv')
  })
  return [queryDraft, keyDraft]
}
