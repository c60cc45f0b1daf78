// A product on matrix units (subgroup matrices): f16 operands through workgroup memory, f32 sums. The next tiles are fetched
// while the present ones are multiplied.
import type { KernelContext } from '../fusion/context'
import type { GpuProfile, MatrixUnit } from '../device/profile'
import { KernelWriter, nestedIndex, plus, u32, type Block, type Draft } from '../fusion/writer'
import { placeTile } from './dot-tiles.wgsl'
import { type DotShape, type MatrixOperand, batchCoordinates, matrixOperand, resultPosition } from './matrix-operand'

/** A workgroup's tile, cut into one part a subgroup. */
export interface MatrixTile {
  readonly rows: number
  readonly columns: number
  readonly inner: number
  readonly partRows: number
  readonly partColumns: number
}

/** Tiles for matrix units, the largest first. */
const matrixTiles: readonly MatrixTile[] = [
  { rows: 128, columns: 128, inner: 32, partRows: 32, partColumns: 64 },
  { rows: 64, columns: 128, inner: 32, partRows: 32, partColumns: 32 },
  { rows: 64, columns: 64, inner: 32, partRows: 32, partColumns: 32 },
]

/** Elements by which rows in workgroup memory are longer than they need be, against bank conflicts. */
const padding = 8

/** One operand's way from its buffer into workgroup memory. */
class Stage {
  readonly pitch: number
  readonly #shared: string
  readonly #registers: string[]
  readonly #lanes: number

  constructor(
    readonly writer: KernelWriter,
    readonly operand: MatrixOperand,
    readonly side: 'left' | 'right',
    readonly size: number,
    readonly inner: number,
    lanes: number,
  ) {
    // Laid out along the direction in which memory is read, so that four elements stay neighbours.
    this.pitch = (operand.along === 'k' ? inner : size) + padding
    this.#shared = writer.workgroupArray(side, 'f16', this.pitch * (operand.along === 'k' ? size : inner))
    this.#lanes = lanes
    this.#registers = Array.from({ length: (size * inner) / 4 / lanes }, (_, i) => `${side}${i}`)
  }

  declare(body: Block): void {
    body.push(...this.#registers.map((name) => `var ${name}: vec4f;`))
  }

  /** Place of register `i`: its row or column in the tile, and its inner index. */
  #place(block: Block, i: number): { outer: string; inside: string } {
    const at = block.name(`lid + ${i * this.#lanes}u`)
    return this.operand.along === 'k'
      ? { outer: block.name(`${at} / ${this.inner / 4}u`), inside: block.name(`(${at} % ${this.inner / 4}u) * 4u`) }
      : { outer: block.name(`(${at} % ${this.size / 4}u) * 4u`), inside: block.name(`${at} / ${this.size / 4}u`) }
  }

  fetch(block: Block, start: string, from: string, limit: number, k: number): void {
    this.#registers.forEach((register, i) => {
      const { outer, inside } = this.#place(block, i)
      const row = block.name(plus(start, outer))
      const kk = block.name(plus(from, inside))
      const clampedRow = block.name(`min(${row}, ${u32(this.operand.along === 'outer' ? limit - 4 : limit - 1)})`)
      const clampedK = block.name(`min(${kk}, ${u32(this.operand.along === 'k' ? k - 4 : k - 1)})`)
      const x = this.operand.quad(clampedRow, clampedK, block)
      block.push(`${register} = select(vec4f(), ${x}, ${row} < ${limit}u && ${kk} < ${k}u);`)
    })
  }

  keep(block: Block): void {
    this.#registers.forEach((register, i) => {
      const { outer, inside } = this.#place(block, i)
      const at = block.name(
        this.operand.along === 'k' ? nestedIndex(outer, this.pitch, inside) : nestedIndex(inside, this.pitch, outer),
      )
      for (let c = 0; c < 4; c++) block.push(`${this.#shared}[${plus(at, u32(c))}] = f16(${register}[${c}]);`)
    })
  }

  /** The unit-sized matrix at `outer` and inner index `inside` of the tile. */
  matrix(type: string, outer: string, inside: string): string {
    const byRows = (this.side === 'left') === (this.operand.along === 'k')
    const at =
      this.operand.along === 'k' ? nestedIndex(outer, this.pitch, inside) : nestedIndex(inside, this.pitch, outer)
    return `subgroupMatrixLoad<${type}, ${byRows ? 'row_major' : 'col_major'}>(&${this.#shared}, ${at}, ${this.pitch}u)`
  }
}

/** Whether matrix units can compute it: f16 operands that memory holds four neighbours of. */
export function suitsMatrixUnits(context: KernelContext<'dot'>, shape: DotShape): boolean {
  if (context.profile.software || matrixTilesOn(context.profile).length === 0) return false
  if (context.node.inputs.some((v) => v.aval.dtype !== 'f16') || shape.m < 32 || shape.n < 32 || shape.k < 16)
    return false
  const probe = new KernelWriter().body
  const batch = shape.batch.map(() => '0u')
  return ([0, 1] as const).every((i) => matrixOperand(context, i, shape, batch, probe).along !== undefined)
}

const lanesOf = (
  { rows, columns, partRows, partColumns }: MatrixTile,
  { subgroupSize }: Pick<GpuProfile, 'subgroupSize'>,
) => ((rows / partRows) * columns * subgroupSize) / partColumns

/** Bytes that one operand's tile takes in workgroup memory, whichever way it is laid out there. */
const stageBytes = (size: number, inner: number) => 2 * (size * inner + padding * Math.max(size, inner))

/** The tiles that an adapter's workgroups have the memory and the lanes for; none without matrix units. */
export function matrixTilesOn(profile: GpuProfile): readonly MatrixTile[] {
  const { matrixUnits, subgroupSize, maxWorkgroupBytes, maxWorkgroupLanes } = profile
  const [unit] = matrixUnits
  if (!unit || subgroupSize === 0) return []
  return matrixTiles.filter((tile) => {
    const { rows, columns, inner } = tile
    const lanes = lanesOf(tile, profile)
    const staged = (lanes / subgroupSize) * unit.m * unit.n * 4
    const bytes = stageBytes(rows, inner) + stageBytes(columns, inner) + staged
    return lanes <= maxWorkgroupLanes && bytes <= maxWorkgroupBytes
  })
}

export function matrixDot(context: KernelContext<'dot'>, shape: DotShape, tile: MatrixTile): Draft {
  const { rows, columns, inner, partRows, partColumns } = tile
  const { subgroupSize } = context.profile
  const unit = context.profile.matrixUnits[0] as MatrixUnit
  const lanes = lanesOf(tile, context.profile)
  const writer = new KernelWriter()
  writer.extensions.add('chromium_experimental_subgroup_matrix')
  writer.extensions.add('f16')
  const { body } = writer
  const workgroups = placeTile(body, shape, rows, columns)
  const batch = batchCoordinates(shape, 'batch', body)
  const left = new Stage(writer, matrixOperand(context, 0, shape, batch, body), 'left', rows, inner, lanes)
  const right = new Stage(writer, matrixOperand(context, 1, shape, batch, body), 'right', columns, inner, lanes)
  const fetch = (block: Block, from: string) => {
    left.fetch(block, 'm0', from, shape.m, shape.k)
    right.fetch(block, 'n0', from, shape.n, shape.k)
  }
  const across = columns / partColumns
  body.push(
    `let subgroup = lid / ${subgroupSize}u;`,
    `let lane = lid % ${subgroupSize}u;`,
    `let partRow = (subgroup / ${across}u) * ${partRows}u;`,
    `let partColumn = (subgroup % ${across}u) * ${partColumns}u;`,
  )
  const [down, wide] = [partRows / unit.m, partColumns / unit.n]
  const sums = Array.from({ length: down }, (_, i) => Array.from({ length: wide }, (_u, j) => `sum${i}_${j}`))
  const types = {
    left: `subgroup_matrix_left<f16, ${unit.k}, ${unit.m}>`,
    right: `subgroup_matrix_right<f16, ${unit.n}, ${unit.k}>`,
    sum: `subgroup_matrix_result<f32, ${unit.n}, ${unit.m}>`,
  }
  body.push(...sums.flat().map((sum) => `var ${sum}: ${types.sum};`))
  left.declare(body)
  right.declare(body)
  fetch(body, '0u')
  body.nest(`for (var k0 = 0u; k0 < ${shape.k}u; k0 += ${inner}u)`, (block) => {
    left.keep(block)
    right.keep(block)
    block.push('workgroupBarrier();')
    block.nest(`if (k0 + ${inner}u < ${shape.k}u)`, (next) => fetch(next, next.name(`k0 + ${inner}u`)))
    for (let k = 0; k < inner; k += unit.k) {
      for (let i = 0; i < down; i++)
        block.push(`let a${k}_${i} = ${left.matrix(types.left, plus('partRow', u32(i * unit.m)), u32(k))};`)
      for (let j = 0; j < wide; j++) {
        block.push(`let b${k}_${j} = ${right.matrix(types.right, plus('partColumn', u32(j * unit.n)), u32(k))};`)
        for (let i = 0; i < down; i++)
          block.push(`${sums[i]![j]} = subgroupMatrixMultiplyAccumulate(a${k}_${i}, b${k}_${j}, ${sums[i]![j]});`)
      }
    }
    block.push('workgroupBarrier();')
  })

  // Sums leave their matrices through workgroup memory, one unit a subgroup at a time.
  const perUnit = unit.m * unit.n
  const staged = writer.workgroupArray('staged', 'f32', (lanes / subgroupSize) * perUnit)
  const isWhole = shape.m % rows === 0 && shape.n % columns === 0
  sums.forEach((line, i) =>
    line.forEach((sum, j) => {
      body.push(
        `subgroupMatrixStore<row_major>(&${staged}, subgroup * ${perUnit}u, ${sum}, ${unit.n}u);`,
        'workgroupBarrier();',
      )
      body.nest(`for (var at = lane; at < ${perUnit}u; at += ${subgroupSize}u)`, (block) => {
        block.push(
          `let m = m0 + partRow + ${i * unit.m}u + at / ${unit.n}u;`,
          `let n = n0 + partColumn + ${j * unit.n}u + at % ${unit.n}u;`,
          `let x = ${staged}[subgroup * ${perUnit}u + at];`,
        )
        const write = (own: Block) => context.finish('x', resultPosition(context, shape, own), own)
        if (isWhole) write(block)
        else block.nest(`if (m < ${shape.m}u && n < ${shape.n}u)`, write)
      })
      body.push('workgroupBarrier();')
    }),
  )
  return writer.finish({
    label: `dot ${shape.m}×${shape.n}×${shape.k} on matrix units`,
    workgroups,
    workgroupSize: lanes,
    joinable: false,
  })
}
