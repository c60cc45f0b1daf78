// Matrix products: which kernel computes one, and in what form its operands may come.
import type { Node, Value } from '../../ir/graph'
import { sizeOf } from '../../shape'
import type { KernelContext, OperandNeed } from '../fusion/context'
import type { Draft } from '../fusion/writer'
import { matrixDot, matrixTilesOn, suitsMatrixUnits } from './dot-matrix.wgsl'
import { narrowDot } from './dot-narrow.wgsl'
import { registerDot } from './dot-registers.wgsl'
import { tiledDot, type Tile } from './dot-tiles.wgsl'
import { dotShape, type DotShape } from './matrix-operand'

/** Rows and columns of a workgroup's tile. */
interface Extent {
  readonly rows: number
  readonly columns: number
}

/** Rows or columns one workgroup covers: an operand computed on the way in is computed once a tile of the other side. */
const coveredByTile = 64

/** Operands computed on the way in are welcome where the other side is narrow, as LoRA's first factor is. */
export function dotOperand(node: Node<'dot'>, i: number): OperandNeed {
  const { shape } = node.outputs[0]!.aval
  const otherSide = i === 0 ? shape.at(-1)! : sizeOf(shape.slice(0, -1))
  return otherSide <= coveredByTile ? 'cheap' : 'view'
}

/** Tiles for adapters with workgroup memory, the largest first. */
const tiles: readonly Tile[] = [
  { rows: 128, columns: 128, inner: 16, lanesX: 16, lanesY: 16 },
  { rows: 64, columns: 64, inner: 16, lanesX: 16, lanesY: 16 },
  { rows: 64, columns: 16, inner: 32, lanesX: 16, lanesY: 16 },
  { rows: 16, columns: 64, inner: 32, lanesX: 16, lanesY: 16 },
  { rows: 16, columns: 16, inner: 64, lanesX: 16, lanesY: 16 },
]

/** The largest tile that leaves enough workgroups to fill a GPU and wastes little at the edges. */
function defaultTile(tiles: readonly Extent[], { batch, m, n }: DotShape): number {
  const fits = ({ rows, columns }: Extent) => rows / 2 < m && columns / 2 < n
  const workgroups = ({ rows, columns }: Extent) => sizeOf(batch) * Math.ceil(m / rows) * Math.ceil(n / columns)
  const filling = tiles.findIndex((tile) => fits(tile) && workgroups(tile) >= busy)
  return filling >= 0 ? filling : Math.max(0, tiles.findLastIndex(fits))
}

/** Workgroups from which tiles keep a GPU busy. */
const busy = 96

/** Few tiles with a long way to go each: the inner dimension is shared out instead. */
function isNarrow({ batch, m, n, k }: DotShape): boolean {
  const workgroups = sizeOf(batch) * Math.ceil(m / 64) * Math.ceil(n / 16)
  return k >= 512 && workgroups < busy && Math.min(m, n) <= 64
}

/** The tile measured fastest for a product like this. */
function chooseTile<T extends Extent>(
  context: KernelContext<'dot'>,
  shape: DotShape,
  kind: string,
  tiles: readonly T[],
): T {
  const { params, inputs } = context.node
  const [a, b] = inputs as [Value, Value]
  const key = [
    kind,
    sizeOf(shape.batch),
    shape.m,
    shape.n,
    shape.k,
    params.transposeA,
    params.transposeB,
    a.aval.dtype,
  ].join()
  const product = { key, a: a.aval, b: b.aval, ...params, candidates: tiles.length }
  return tiles[context.tiles.choose(product, defaultTile(tiles, shape))]!
}

export function dotKernel(context: KernelContext<'dot'>): Draft {
  const { node, profile } = context
  const [a, b] = node.inputs as [Value, Value]
  const shape = dotShape(a.aval.shape, b.aval.shape, node.outputs[0]!.aval.shape, node.params)
  if (profile.software) return registerDot(context, shape)
  if (isNarrow(shape)) return narrowDot(context, shape)
  return suitsMatrixUnits(context, shape)
    ? matrixDot(context, shape, chooseTile(context, shape, 'units', matrixTilesOn(profile)))
    : tiledDot(context, shape, chooseTile(context, shape, 'lanes', tiles))
}
