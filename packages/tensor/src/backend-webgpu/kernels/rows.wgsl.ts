// Row kernels: a workgroup reduces a row in one or more passes and then writes it. softmax, rmsNorm and its gradient.
import { sizeOf } from '../../shape'
import type { OpName } from '../../ir/op'
import type { KernelContext } from '../kernel'
import { f32, KernelWriter, nestedIndex, Position, type Block, type Draft } from '../writer'

export type Combine = 'sum' | 'max'

export const combineText = (combine: Combine, a: string, b: string): string =>
  combine === 'sum' ? `${a} + ${b}` : `max(${a}, ${b})`

/** Lanes that share a row: enough to keep a GPU's memory busy, no more than the row has elements. */
export const rowLanes = (length: number): number => (length >= 1024 ? 256 : length >= 64 ? 64 : 32)

/** Reduces one number a lane over the workgroup; every lane gets the result. */
export function reduceLanes(block: Block, value: string, combine: Combine, lanes: number, type = 'f32'): string {
  const { writer } = block
  const shared = writer.workgroupArray(writer.newName('lanes'), type as 'f32', lanes)
  block.push(`${shared}[lid] = ${value};`, 'workgroupBarrier();')
  for (let half = lanes / 2; half >= 1; half /= 2)
    block.push(
      `if (lid < ${half}u) { ${shared}[lid] = ${combineText(combine, `${shared}[lid]`, `${shared}[lid + ${half}u]`)}; }`,
      'workgroupBarrier();',
    )
  return block.name(`${shared}[0]`)
}

/** Passes over a row of `length`, one after another; each reduces several numbers at once. */
export class RowWriter {
  readonly writer = new KernelWriter()
  readonly body = this.writer.body
  readonly lanes: number

  constructor(readonly length: number) {
    this.lanes = rowLanes(length)
  }

  /** Runs `fill` for each element of the row that falls to this lane; `column` is its place. */
  each(fill: (column: string, block: Block) => void): void {
    const column = this.writer.newName('c')
    this.body.nest(`for (var ${column} = lid; ${column} < ${this.length}u; ${column} += ${this.lanes}u)`, (block) =>
      fill(column, block),
    )
  }

  /** Reduces what `terms` gives for each element, over the row. */
  reduce(combines: readonly Combine[], terms: (column: string, block: Block) => readonly string[]): string[] {
    const names = combines.map((combine) => {
      const name = this.writer.newName('r')
      this.body.push(`var ${name} = ${combine === 'sum' ? '0.0f' : f32(-3.4e38)};`)
      return name
    })
    this.each((column, block) => {
      const values = terms(column, block)
      names.forEach((name, i) => block.push(`${name} = ${combineText(combines[i]!, name, values[i]!)};`))
    })
    return names.map((name, i) => reduceLanes(this.body, name, combines[i]!, this.lanes))
  }
}

/** A kernel over the rows (last axis) of output 0. */
function rowKernel<K extends OpName>(
  context: KernelContext<K>,
  write: (
    row: RowWriter,
    at: (i: number, column: string, block: Block) => string,
    weight: (i: number, column: string, block: Block) => string,
  ) => (column: string, block: Block) => string,
): Draft {
  const { shape } = context.node.outputs[0]!.aval
  const length = shape.at(-1) ?? 1
  const rows = sizeOf(shape) / length
  const row = new RowWriter(length)
  const position = (column: string) => new Position(shape, { flat: nestedIndex('wg', length, column) })
  const at = (i: number, column: string, block: Block) => context.read(i, position(column), block)
  const weight = (i: number, column: string, block: Block) =>
    context.read(i, new Position([length], { flat: column, coordinates: [column] }), block)
  const element = write(row, at, weight)
  row.each((column, block) => context.finish(element(column, block), position(column), block))
  return row.writer.finish({ label: context.node.op, workgroups: rows, workgroupSize: row.lanes })
}

export const softmaxKernel = (context: KernelContext<'softmax'>): Draft =>
  rowKernel(context, (row, at) => {
    const [largest] = row.reduce(['max'], (c, block) => [at(0, c, block)])
    const power = (c: string, block: Block) => `exp(${at(0, c, block)} - ${largest})`
    const [total] = row.reduce(['sum'], (c, block) => [power(c, block)])
    const inverse = row.body.name(`1.0f / ${total}`)
    return (c, block) => block.name(`${power(c, block)} * ${inverse}`)
  })

export const rmsNormKernel = (context: KernelContext<'rmsNorm'>): Draft =>
  rowKernel(context, (row, at, weight) => {
    const [squares] = row.reduce(['sum'], (c, block) => {
      const x = at(0, c, block)
      return [`${x} * ${x}`]
    })
    const inverse = row.body.name(
      `inverseSqrt(${squares} * ${f32(1 / row.length)} + ${f32(context.node.params.epsilon)})`,
    )
    return (c, block) => block.name(`${at(0, c, block)} * ${inverse} * ${weight(1, c, block)}`)
  })

/** dx = r·(w∘g) − x·r³·mean(x∘w∘g), r = 1/√(mean(x²)+ε). */
export const rmsNormGradKernel = (context: KernelContext<'rmsNormGrad'>): Draft =>
  rowKernel(context, (row, at, weight) => {
    const weighted = (c: string, block: Block) => block.name(`${weight(1, c, block)} * ${at(2, c, block)}`)
    const [squares, projection] = row.reduce(['sum', 'sum'], (c, block) => {
      const x = at(0, c, block)
      return [`${x} * ${x}`, `${x} * ${weighted(c, block)}`]
    })
    const scale = f32(1 / row.length)
    const inverse = row.body.name(`inverseSqrt(${squares} * ${scale} + ${f32(context.node.params.epsilon)})`)
    const factor = row.body.name(`${projection} * ${scale} * ${inverse} * ${inverse} * ${inverse}`)
    return (c, block) => block.name(`${weighted(c, block)} * ${inverse} - ${at(0, c, block)} * ${factor}`)
  })
