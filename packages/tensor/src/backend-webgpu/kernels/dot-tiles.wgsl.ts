// A product through workgroup memory: a workgroup makes one tile of the result, each invocation a strided part of it.
import { sizeOf } from '../../shape'
import type { KernelContext } from '../fusion/context'
import { KernelWriter, plus, times, u32, type Block, type Draft } from '../fusion/writer'
import { writeTile } from './dot-registers.wgsl'
import { batchCoordinates, matrixOperand, type DotShape, type MatrixOperand } from './matrix-operand'

export interface Tile {
  readonly rows: number
  readonly columns: number
  readonly inner: number
  readonly lanesX: number
  readonly lanesY: number
}

/** Loads an operand's part of a tile into `shared`, laid out `[inner][size]`; what is outside is 0. */
function loadTile(
  block: Block,
  operand: MatrixOperand,
  shared: string,
  {
    size,
    inner,
    lanes,
    start,
    limit,
    k,
    convert = (x) => x,
  }: {
    size: number
    inner: number
    lanes: number
    /** First row or column of the tile. */
    start: string
    limit: number
    k: number
    convert?: (x: string) => string
  },
): void {
  const width = operand.along === undefined ? 1 : 4
  const loads = (size * inner) / width
  const place = block.writer.newName('p')
  block.nest(`for (var ${place} = lid; ${place} < ${loads}u; ${place} += ${lanes}u)`, (body) => {
    // Neighbouring lanes read neighbouring elements, so the contiguous direction runs fastest.
    const [outerFast, outerSlow] = [size / width, inner / width]
    const outer = body.name(
      operand.along === 'k' ? `${place} / ${outerSlow}u` : `(${place} % ${outerFast}u) * ${width}u`,
    )
    const inside = body.name(operand.along === 'k' ? `(${place} % ${outerSlow}u) * 4u` : `${place} / ${outerFast}u`)
    const row = body.name(plus(start, outer))
    const kk = body.name(plus('k0', inside))
    const fits = body.name(`${row} < ${limit}u && ${kk} < ${k}u`)
    const clampedRow = body.name(`min(${row}, ${u32(operand.along === 'outer' ? limit - 4 : limit - 1)})`)
    const clampedK = body.name(`min(${kk}, ${u32(operand.along === 'k' ? k - 4 : k - 1)})`)
    const slot = (c: number) =>
      operand.along === 'k'
        ? plus(times(`(${inside} + ${c}u)`, size), outer)
        : plus(times(inside, size), c === 0 ? outer : `(${outer} + ${c}u)`)
    if (width === 1) {
      const x = operand.element(clampedRow, clampedK, body)
      body.push(`${shared}[${slot(0)}] = ${convert(`select(0.0f, ${x}, ${fits})`)};`)
      return
    }
    const x = body.name(`select(vec4f(), ${operand.quad(clampedRow, clampedK, body)}, ${fits})`)
    for (let c = 0; c < 4; c++) body.push(`${shared}[${slot(c)}] = ${convert(`${x}[${c}]`)};`)
  })
}

/** Which tile a workgroup makes: declares `m0`, `n0` and `batch`. Tiles of a band of rows run together, so that they share the left operand. */
export function placeTile(body: Block, shape: DotShape, rows: number, columns: number): number {
  const [tilesM, tilesN] = [Math.ceil(shape.m / rows), Math.ceil(shape.n / columns)]
  body.push(
    `let m0 = (wg % ${tilesM}u) * ${rows}u;`,
    `let n0 = ((wg / ${tilesM}u) % ${tilesN}u) * ${columns}u;`,
    `let batch = wg / ${tilesM * tilesN}u;`,
  )
  return sizeOf(shape.batch) * tilesM * tilesN
}

export function tiledDot(context: KernelContext<'dot'>, shape: DotShape, tile: Tile): Draft {
  const { rows, columns, inner, lanesX, lanesY } = tile
  const lanes = lanesX * lanesY
  const [perRow, perColumn] = [rows / lanesY, columns / lanesX]
  const writer = new KernelWriter()
  const { body } = writer
  const workgroups = placeTile(body, shape, rows, columns)
  body.push(`let x = lid % ${lanesX}u;`, `let y = lid / ${lanesX}u;`)
  const batch = batchCoordinates(shape, 'batch', body)
  const a = matrixOperand(context, 0, shape, batch, body)
  const b = matrixOperand(context, 1, shape, batch, body)
  const left = writer.workgroupArray('left', 'f32', inner * rows)
  const right = writer.workgroupArray('right', 'f32', inner * columns)
  const sums = Array.from({ length: perRow }, (_, i) => Array.from({ length: perColumn }, (_u, j) => `acc${i}_${j}`))
  body.push(...sums.flat().map((sum) => `var ${sum} = 0.0f;`))
  body.nest(`for (var k0 = 0u; k0 < ${shape.k}u; k0 += ${inner}u)`, (block) => {
    loadTile(block, a, left, { size: rows, inner, lanes, start: 'm0', limit: shape.m, k: shape.k })
    loadTile(block, b, right, { size: columns, inner, lanes, start: 'n0', limit: shape.n, k: shape.k })
    block.push('workgroupBarrier();')
    block.nest(`for (var k = 0u; k < ${inner}u; k++)`, (step) => {
      for (let i = 0; i < perRow; i++) step.push(`let a${i} = ${left}[k * ${rows}u + y + ${i * lanesY}u];`)
      for (let j = 0; j < perColumn; j++) step.push(`let b${j} = ${right}[k * ${columns}u + x + ${j * lanesX}u];`)
      sums.forEach((line, i) => line.forEach((sum, j) => step.push(`${sum} = fma(a${i}, b${j}, ${sum});`)))
    })
    block.push('workgroupBarrier();')
  })
  writeTile(context, shape, body, {
    values: sums.flat(),
    row: (at) => `m0 + y + (${at} / ${perColumn}u) * ${lanesY}u`,
    column: (at) => `n0 + x + (${at} % ${perColumn}u) * ${lanesX}u`,
    isWhole: shape.m % rows === 0 && shape.n % columns === 0,
  })
  return writer.finish({
    label: `dot ${shape.m}×${shape.n}×${shape.k}`,
    workgroups,
    workgroupSize: lanes,
    joinable: workgroups < 512,
  })
}
