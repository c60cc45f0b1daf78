// A product in registers only: each invocation makes a 4×4 tile of the result. Fastest where the adapter is a CPU.
import { sizeOf } from '../../shape'
import type { KernelContext } from '../fusion/context'
import { KernelWriter, type Block, type Draft } from '../fusion/writer'
import {
  type DotShape,
  batchCoordinates,
  matrixOperand,
  quadAlongK,
  quadAlongOuter,
  resultPosition,
} from './matrix-operand'

const workgroupSize = 64

export function registerDot(context: KernelContext<'dot'>, shape: DotShape): Draft {
  const { m, n, k } = shape
  const [tilesM, tilesN] = [Math.ceil(m / 4), Math.ceil(n / 4)]
  const total = sizeOf(shape.batch) * tilesM * tilesN
  const writer = new KernelWriter()
  writer.body.push(`let tile = wg * ${workgroupSize}u + lid;`)
  writer.body.nest(`if (tile < ${total}u)`, (body) => {
    body.push(
      `let n0 = (tile % ${tilesN}u) * 4u;`,
      `let m0 = ((tile / ${tilesN}u) % ${tilesM}u) * 4u;`,
      `let batch = tile / ${tilesM * tilesN}u;`,
    )
    const batch = batchCoordinates(shape, 'batch', body)
    const a = matrixOperand(context, 0, shape, batch, body)
    const b = matrixOperand(context, 1, shape, batch, body)
    const rows = [0, 1, 2, 3].map((i) => body.name(m % 4 === 0 ? `m0 + ${i}u` : `min(m0 + ${i}u, ${m - 1}u)`))
    const columns = [0, 1, 2, 3].map((j) => body.name(n % 4 === 0 ? `n0 + ${j}u` : `min(n0 + ${j}u, ${n - 1}u)`))
    for (const i of rows.keys()) body.push(`var acc${i} = vec4f();`)
    // A computed operand is written out once an element: taken singly, its text is in the shader four times, not sixteen.
    const isComputed = [a, b].some(({ along }, i) => along === undefined && context.view(i) === undefined)
    if (isComputed)
      body.nest(`for (var k = 0u; k < ${k}u; k++)`, (block) => {
        const right = block.name(`vec4f(${columns.map((column) => b.element(column, 'k', block)).join(', ')})`)
        rows.forEach((row, i) => block.push(`acc${i} += ${a.element(row, 'k', block)} * ${right};`))
      })
    else
      body.nest(`for (var k = 0u; k < ${k}u; k += 4u)`, (block) => {
        const right = rightBlock(block, columns)
        const left = leftBlock(block, rows)
        for (const i of rows.keys())
          block.push(`acc${i} += ${[0, 1, 2, 3].map((c) => `${left(i, c)} * ${right[c]}`).join(' + ')};`)
      })

    /** Rows k…k+3 of the right operand, four columns each. */
    function rightBlock(block: Block, along: readonly string[]): string[] {
      if (b.along === 'outer') return [0, 1, 2, 3].map((c) => quadAlongOuter(b, 'n0', innerIndex(block, c), n, block))
      const turned = along.map((column) => quadAlongK(b, column, 'k', k, block))
      return [0, 1, 2, 3].map((c) => block.name(`vec4f(${turned.map((v) => `${v}[${c}]`).join(', ')})`))
    }

    /** Element (row i, k + c) of the left operand; beyond the inner size it is 0. */
    function leftBlock(block: Block, along: readonly string[]): (i: number, c: number) => string {
      if (a.along === 'outer') {
        const quads = [0, 1, 2, 3].map((c) => {
          const quad = quadAlongOuter(a, 'm0', innerIndex(block, c), m, block)
          return k % 4 === 0 ? quad : block.name(`select(vec4f(), ${quad}, k + ${c}u < ${k}u)`)
        })
        return (i, c) => `${quads[c]}[${i}]`
      }
      const quads = along.map((row) => quadAlongK(a, row, 'k', k, block))
      return (i, c) => `${quads[i]}[${c}]`
    }

    function innerIndex(block: Block, c: number): string {
      return block.name(k % 4 === 0 ? `k + ${c}u` : `min(k + ${c}u, ${k - 1}u)`)
    }

    writeTile(context, shape, body, {
      values: [0, 1, 2, 3].flatMap((i) => [0, 1, 2, 3].map((j) => `acc${i}[${j}]`)),
      row: (at) => `m0 + ${at} / 4u`,
      column: (at) => `n0 + ${at} % 4u`,
      isWhole: m % 4 === 0 && n % 4 === 0,
    })
  })
  return writer.finish({
    label: `dot ${m}×${n}×${k}`,
    workgroups: Math.ceil(total / workgroupSize),
    workgroupSize,
    joinable: total < 65536,
  })
}

/** Writes an invocation's part of the result, with what is computed from it. */
export function writeTile(
  context: KernelContext<'dot'>,
  shape: DotShape,
  body: Block,
  part: { values: string[]; row(at: string): string; column(at: string): string; isWhole: boolean },
): void {
  const { m, n } = shape
  // A loop over a copy: the epilogue is in the shader once, and the sums stay in registers until here.
  body.push(`var sums = array<f32, ${part.values.length}>(${part.values.join(', ')});`)
  body.nest(`for (var at = 0u; at < ${part.values.length}u; at++)`, (block) => {
    block.push(`let m = ${part.row('at')};`, `let n = ${part.column('at')};`, 'let x = sums[at];')
    const write = (inner: Block) => context.finish('x', resultPosition(context, shape, inner), inner)
    if (part.isWhole) write(block)
    else block.nest(`if (m < ${m}u && n < ${n}u)`, write)
  })
}
