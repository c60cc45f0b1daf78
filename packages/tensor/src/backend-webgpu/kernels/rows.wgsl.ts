// Row kernels: a workgroup reduces a row in one or more passes and then writes it. softmax, rmsNorm and its gradient.
import { sizeOf } from '../../shape'
import type { OpName } from '../../ir/op'
import type { KernelContext } from '../fusion/context'
import { f32, KernelWriter, nestedIndex, Position, type Block, type Draft } from '../fusion/writer'

export type Combine = 'sum' | 'max'

const combineText = (combine: Combine, a: string, b: string): string =>
  combine === 'sum' ? `${a} + ${b}` : `max(${a}, ${b})`

/** Lanes that share a row on a GPU: enough to keep its memory busy, no more than the row has elements. */
const rowLanes = (length: number): number => (length >= 1024 ? 256 : length >= 64 ? 64 : 32)

/** Rows per workgroup where each invocation takes a row of its own. */
const rowsPerWorkgroup = 64

/**
 * Passes over rows of `length`, one after another; each reduces several numbers at once. On a GPU the lanes of a workgroup
 * share a row; on a software adapter, where a barrier costs more than a loop, every invocation has its own.
 */
export class RowWriter {
  readonly writer = new KernelWriter()
  readonly #lanes: number

  constructor(
    readonly rows: number,
    readonly length: number,
    /** Every invocation takes a row of its own. */
    readonly solo: boolean,
  ) {
    this.#lanes = solo ? 1 : rowLanes(length)
  }

  /** Runs `fill` with the row's number and the block in which it is worked on. */
  write(label: string, fill: (row: string, body: Block) => void): Draft {
    const { body } = this.writer
    if (!this.solo) {
      fill('wg', body)
      return this.writer.finish({ label, workgroups: this.rows, workgroupSize: this.#lanes })
    }
    body.push(`let row = wg * ${rowsPerWorkgroup}u + lid;`)
    body.nest(`if (row < ${this.rows}u)`, (block) => fill('row', block))
    const workgroups = Math.ceil(this.rows / rowsPerWorkgroup)
    return this.writer.finish({ label, workgroups, workgroupSize: rowsPerWorkgroup })
  }

  /** Runs `fill` for each element of the row that falls to this lane; `column` is its place. */
  each(body: Block, fill: (column: string, block: Block) => void): void {
    const column = this.writer.newName('c')
    const from = this.solo ? '0u' : 'lid'
    body.nest(`for (var ${column} = ${from}; ${column} < ${this.length}u; ${column} += ${this.#lanes}u)`, (block) =>
      fill(column, block),
    )
  }

  /** Runs `fill` once a row. */
  once(body: Block, fill: (block: Block) => void): void {
    if (this.solo) fill(body)
    else body.nest('if (lid == 0u)', fill)
  }

  /** Reduces what `terms` gives for each element, over the row. */
  reduce(
    body: Block,
    combines: readonly Combine[],
    terms: (column: string, block: Block) => readonly string[],
    type: 'f32' | 'i32' | 'u32' = 'f32',
  ): string[] {
    const names = combines.map((combine) => {
      const name = this.writer.newName('r')
      body.push(`var ${name} = ${startOf(combine, type)};`)
      return name
    })
    this.each(body, (column, block) => {
      const values = terms(column, block)
      names.forEach((name, i) => block.push(`${name} = ${combineText(combines[i]!, name, values[i]!)};`))
    })
    return names.map((name, i) => (this.solo ? name : reduceLanes(body, name, combines[i]!, this.#lanes, type)))
  }
}

/** What a reduction begins with. */
const startOf = (combine: Combine, type: 'f32' | 'i32' | 'u32'): string =>
  combine === 'sum'
    ? { f32: '0.0f', i32: '0i', u32: '0u' }[type]
    : { f32: f32(-3.4e38), i32: '(-2147483647i - 1i)', u32: '0u' }[type]

/** Reduces one number a lane over the workgroup; every lane gets the result. */
function reduceLanes(
  block: Block,
  value: string,
  combine: Combine,
  lanes: number,
  type: 'f32' | 'i32' | 'u32',
): string {
  const { writer } = block
  const shared = writer.workgroupArray(writer.newName('lanes'), type, lanes)
  block.push(`${shared}[lid] = ${value};`, 'workgroupBarrier();')
  for (let half = lanes / 2; half >= 1; half /= 2)
    block.push(
      `if (lid < ${half}u) { ${shared}[lid] = ${combineText(combine, `${shared}[lid]`, `${shared}[lid + ${half}u]`)}; }`,
      'workgroupBarrier();',
    )
  return block.name(`${shared}[0]`)
}

interface RowReader {
  readonly row: RowWriter
  readonly body: Block
  /** Element of input `i` in this row. */
  at(i: number, column: string, block: Block): string
  /** Element of input `i`, which is one row long. */
  weight(i: number, column: string, block: Block): string
}

/** A kernel over the rows (last axis) of output 0. */
function rowKernel<K extends OpName>(
  context: KernelContext<K>,
  write: (reader: RowReader) => (column: string, block: Block) => string,
): Draft {
  const { shape } = context.node.outputs[0]!.aval
  const length = shape.at(-1) ?? 1
  const row = new RowWriter(sizeOf(shape) / length, length, context.profile.software)
  return row.write(context.node.op, (number, body) => {
    const position = (column: string) => new Position(shape, { flat: nestedIndex(number, length, column) })
    const element = write({
      row,
      body,
      at: (i, column, block) => context.read(i, position(column), block),
      weight: (i, column, block) =>
        context.read(i, new Position([length], { flat: column, coordinates: [column] }), block),
    })
    row.each(body, (column, block) => context.finish(element(column, block), position(column), block))
  })
}

export const softmaxKernel = (context: KernelContext<'softmax'>): Draft =>
  rowKernel(context, ({ row, body, at }) => {
    const [largest] = row.reduce(body, ['max'], (c, block) => [at(0, c, block)])
    const power = (c: string, block: Block) => `exp(${at(0, c, block)} - ${largest})`
    const [total] = row.reduce(body, ['sum'], (c, block) => [power(c, block)])
    const inverse = body.name(`1.0f / ${total}`)
    return (c, block) => block.name(`${power(c, block)} * ${inverse}`)
  })

export const rmsNormKernel = (context: KernelContext<'rmsNorm'>): Draft =>
  rowKernel(context, ({ row, body, at, weight }) => {
    const [squares] = row.reduce(body, ['sum'], (c, block) => {
      const x = at(0, c, block)
      return [`${x} * ${x}`]
    })
    const inverse = body.name(`inverseSqrt(${squares} * ${f32(1 / row.length)} + ${f32(context.node.params.epsilon)})`)
    return (c, block) => block.name(`${at(0, c, block)} * ${inverse} * ${weight(1, c, block)}`)
  })

/** dx = r·(w∘g) − x·r³·mean(x∘w∘g), r = 1/√(mean(x²)+ε). */
export const rmsNormGradKernel = (context: KernelContext<'rmsNormGrad'>): Draft =>
  rowKernel(context, ({ row, body, at, weight }) => {
    const weighted = (c: string, block: Block) => block.name(`${weight(1, c, block)} * ${at(2, c, block)}`)
    const [squares, projection] = row.reduce(body, ['sum', 'sum'], (c, block) => {
      const x = at(0, c, block)
      return [`${x} * ${x}`, `${x} * ${weighted(c, block)}`]
    })
    const scale = f32(1 / row.length)
    const inverse = body.name(`inverseSqrt(${squares} * ${scale} + ${f32(context.node.params.epsilon)})`)
    const factor = body.name(`${projection} * ${scale} * ${inverse} * ${inverse} * ${inverse}`)
    return (c, block) => block.name(`${weighted(c, block)} * ${inverse} - ${at(0, c, block)} * ${factor}`)
  })
