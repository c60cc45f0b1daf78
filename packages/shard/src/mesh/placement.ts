// Placement: where the parts of a value are, told for each axis of the mesh by itself. What the partitioner reckons with.
import type { Shape } from '@jora/tensor'
import { ShardingError, type Mesh } from './mesh'
import { PartitionSpec } from './sharding'

/** Along one axis: the same everywhere, terms of a sum to be made, or split on the dimension of this number. */
export type AxisState = 'replicated' | 'unreduced' | number

/** One state for each axis of a mesh. A dimension split over several axes is split by the earlier axis first. */
export type Placement = readonly AxisState[]

/** The same everywhere. */
export const replicated = (mesh: Mesh): Placement => mesh.axes.map(() => 'replicated')

export const samePlacement = (a: Placement, b: Placement): boolean => a.every((state, i) => state === b[i])

/** The axes that split dimension `dim`, coarsest first. */
export const splitAxes = (mesh: Mesh, placement: Placement, dim: number): string[] =>
  mesh.axes.filter((_, i) => placement[i] === dim)

/** Shape of a device's part of an array of `shape`. */
export const localShape = (mesh: Mesh, placement: Placement, shape: Shape): Shape =>
  shape.map((d, dim) => mesh.sizes.reduce((n, size, i) => (placement[i] === dim ? n / size : n), d))

/**
 * A spec as a placement. Axes that the mesh lacks, or that have one device, split nothing.
 * @throws ShardingError when a dimension names axes in another order than the mesh, which no placement can tell
 */
export function placementOf(mesh: Mesh, spec: PartitionSpec): Placement {
  for (const axes of spec.dimensions) {
    const known = axes.filter((axis) => mesh.axes.includes(axis))
    const inOrder = mesh.axes.filter((axis) => known.includes(axis))
    if (known.join() !== inOrder.join())
      throw new ShardingError(`${spec}: mesh ${mesh} has ${inOrder.join(' before ')}; name them in this order`)
  }
  return mesh.axes.map((axis, i) => {
    if (mesh.sizes[i] === 1) return 'replicated'
    if (spec.unreduced.includes(axis)) return 'unreduced'
    const dim = spec.dimensions.findIndex((axes) => axes.includes(axis))
    return dim < 0 ? 'replicated' : dim
  })
}

/** A placement as the spec of an array of `rank` dimensions. */
export const specOf = (mesh: Mesh, placement: Placement, rank: number): PartitionSpec =>
  new PartitionSpec(
    Array.from({ length: rank }, (_, dim) => splitAxes(mesh, placement, dim)),
    { unreduced: mesh.axes.filter((_, i) => placement[i] === 'unreduced') },
  )

/** Index of the first element, along `dim`, of the part at `position`. `size` is the whole array's. */
export function partStart(mesh: Mesh, placement: Placement, dim: number, size: number, position: number): number {
  const coordinates = mesh.coordinates(position)
  let start = 0
  placement.forEach((state, i) => {
    if (state !== dim) return
    size /= mesh.sizes[i]!
    start += coordinates[i]! * size
  })
  return start
}
