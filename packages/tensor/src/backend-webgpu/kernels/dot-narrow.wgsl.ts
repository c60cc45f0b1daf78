// A product of few results and a long inner dimension, LoRA's first factor above all: the lanes of a workgroup share the
// inner dimension, so that a handful of results still fills a GPU.
import { sizeOf } from '../../shape'
import type { KernelContext } from '../fusion/context'
import { KernelWriter, type Draft } from '../fusion/writer'
import { type DotShape, batchCoordinates, matrixOperand, quadAlongK, resultPosition } from './matrix-operand'

const rows = 4
const columns = 16
const slices = 16

export function narrowDot(context: KernelContext<'dot'>, shape: DotShape): Draft {
  const { m, n, k } = shape
  const [tilesM, tilesN] = [Math.ceil(m / rows), Math.ceil(n / columns)]
  const writer = new KernelWriter()
  const { body } = writer
  body.push(
    `let m0 = (wg % ${tilesM}u) * ${rows}u;`,
    `let n0 = ((wg / ${tilesM}u) % ${tilesN}u) * ${columns}u;`,
    `let batch = wg / ${tilesM * tilesN}u;`,
    // Neighbouring lanes are neighbouring columns of one slice.
    `let column = lid % ${columns}u;`,
    `let slice = lid / ${columns}u;`,
  )
  const batch = batchCoordinates(shape, 'batch', body)
  const a = matrixOperand(context, 0, shape, batch, body)
  const b = matrixOperand(context, 1, shape, batch, body)
  const shared = writer.workgroupArray('partial', 'f32', rows * columns * slices)
  for (let r = 0; r < rows; r++) body.push(`var sum${r} = 0.0f;`)
  body.nest(`for (var k = slice * 4u; k < ${k}u; k += ${slices * 4}u)`, (block) => {
    const right = quadAlongK(b, block.name(`min(n0 + column, ${n - 1}u)`), 'k', k, block)
    for (let r = 0; r < rows; r++) {
      const left = quadAlongK(a, block.name(`min(m0 + ${r}u, ${m - 1}u)`), 'k', k, block)
      block.push(`sum${r} += dot(${left}, ${right});`)
    }
  })
  for (let r = 0; r < rows; r++) body.push(`${shared}[(${r * columns}u + column) * ${slices}u + slice] = sum${r};`)
  body.push('workgroupBarrier();')
  body.nest(`if (lid < ${rows * columns}u)`, (block) => {
    block.push(
      `let m = m0 + lid / ${columns}u;`,
      `let n = n0 + lid % ${columns}u;`,
      'var x = 0.0f;',
      `for (var s = 0u; s < ${slices}u; s++) { x += ${shared}[lid * ${slices}u + s]; }`,
    )
    block.nest(`if (m < ${m}u && n < ${n}u)`, (own) => context.finish('x', resultPosition(context, shape, own), own))
  })
  const workgroups = sizeOf(shape.batch) * tilesM * tilesN
  return writer.finish({
    label: `dot ${m}×${n}×${k} in slices`,
    workgroups,
    workgroupSize: columns * slices,
    joinable: workgroups < 512,
  })
}
