// Brings a device's part of a value from one placement to another: the only place where collectives are written.
import { full, slice, where, type Tensor } from '@jora/tensor'
import { apply } from '@jora/tensor/graph'
import type { Mesh } from '../mesh/mesh'
import type { Placement } from '../mesh/placement'

/** `x` along dimension `dim`, elements `start..limit`. */
const cut = (x: Tensor, dim: number, start: number, limit: number): Tensor =>
  slice(
    x,
    x.shape.map((_, i) => (i === dim ? start : 0)),
    x.shape.map((d, i) => (i === dim ? limit : d)),
  )

/**
 * Appends to the active trace what brings `x`, the part at `position` of a value with the placement `from`, to the placement
 * `to`. Sums are made first, then parts are gathered, then cut. A value that is whole becomes terms of a sum by
 * staying on the first device of each axis, zero elsewhere.
 */
export function reshard(x: Tensor, from: Placement, to: Placement, mesh: Mesh, position: number): Tensor {
  const coordinates = mesh.coordinates(position)
  const state = [...from]
  // A sum that ends whole is one exchange over all its axes.
  const summed = mesh.axes.filter((_, i) => state[i] === 'unreduced' && to[i] === 'replicated')
  if (summed.length > 0) {
    const count = summed.reduce((n, axis) => n * mesh.along(axis), 1)
    x = apply('allReduce', [x], { axes: summed, count, reduction: 'sum' })
    for (const axis of summed) state[mesh.axes.indexOf(axis)] = 'replicated'
  }
  const changed = new Set<number>()
  state.forEach((s, i) => {
    if (s === to[i]) return
    if (typeof s === 'number') changed.add(s)
    const target = to[i]
    if (typeof target === 'number') changed.add(target)
  })
  // A dimension is gathered from its finest split upwards, as far as something changes, and cut anew.
  for (const dim of changed) {
    const first = state.findIndex((s, i) => (s === dim) !== (to[i] === dim))
    for (let i = mesh.axes.length - 1; i >= first; i--) {
      if (state[i] !== dim) continue
      x = apply('allGather', [x], { axes: [mesh.axes[i]!], count: mesh.sizes[i]!, dim })
      state[i] = 'replicated'
    }
  }
  for (let i = 0; i < mesh.axes.length; i++) {
    const target = to[i]!
    if (state[i] === target) continue
    const [axis, count] = [mesh.axes[i]!, mesh.sizes[i]!]
    if (typeof target === 'number') {
      if (state[i] === 'unreduced') x = apply('reduceScatter', [x], { axes: [axis], count, dim: target })
      else {
        const size = x.shape[target]! / count
        x = cut(x, target, coordinates[i]! * size, (coordinates[i]! + 1) * size)
      }
    } else if (target === 'unreduced') {
      // The same ops on every device, whatever they give: programs must not differ in what passes make of them.
      x = where(full([], coordinates[i] === 0 ? 1 : 0, 'bool'), x, full([], 0, x.dtype))
    }
  }
  return x
}
