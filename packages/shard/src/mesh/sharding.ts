// PartitionSpec and NamedSharding: which dimension of an array is split over which axes of a mesh.
import type { Shape } from '@jora/tensor'
import { ShardingError, type Mesh } from './mesh'

/** What splits one dimension: nothing, one axis, or several, the first the coarsest. */
export type DimensionSpec = string | readonly string[] | null

/**
 * For each dimension of an array, the mesh axes it is split over, as `jax.sharding.PartitionSpec`. Dimensions beyond the
 * last one named are whole. `unreduced` names axes along which the devices hold terms of a sum that is still to be made.
 */
export class PartitionSpec {
  readonly dimensions: readonly (readonly string[])[]
  readonly unreduced: readonly string[]

  constructor(dimensions: readonly DimensionSpec[] = [], { unreduced = [] }: { unreduced?: readonly string[] } = {}) {
    this.dimensions = dimensions.map((d) => (d === null ? [] : typeof d === 'string' ? [d] : d))
    this.unreduced = unreduced
    const axes = [...this.dimensions.flat(), ...unreduced]
    const twice = axes.find((axis, i) => axes.indexOf(axis) !== i)
    if (twice !== undefined) throw new ShardingError(`${this}: axis ${twice} is used twice`)
  }

  toString(): string {
    const shown = this.dimensions.map((d) =>
      d.length === 0 ? 'null' : d.length === 1 ? `'${d[0]}'` : `['${d.join("', '")}']`,
    )
    const rest = this.unreduced.length > 0 ? `; unreduced ${this.unreduced.join(', ')}` : ''
    return `P(${shown.join(', ')}${rest})`
  }
}

/** Short for `new PartitionSpec([…])`: `P('data', null, 'model')`. */
export const P = (...dimensions: readonly DimensionSpec[]): PartitionSpec => new PartitionSpec(dimensions)

/** A PartitionSpec on a mesh, as `jax.sharding.NamedSharding`. */
export class NamedSharding {
  constructor(
    readonly mesh: Mesh,
    readonly spec: PartitionSpec,
  ) {}

  /**
   * Shape of one device's part of an array of `shape`.
   * @throws ShardingError when the spec has more dimensions than the array, or a dimension does not divide
   */
  shardShape(shape: Shape): Shape {
    const { dimensions } = this.spec
    if (dimensions.length > shape.length)
      throw new ShardingError(
        `${this.spec} has ${dimensions.length} dimensions, the array [${shape.join(',')}] has ${shape.length}`,
      )
    return shape.map((d, i) => {
      const count = (dimensions[i] ?? []).reduce((n, axis) => n * this.mesh.along(axis), 1)
      if (d % count !== 0)
        throw new ShardingError(
          `dimension ${i} of [${shape.join(',')}] does not divide by ${count} (${dimensions[i]!.join(' × ')} of mesh ${this.mesh})`,
        )
      return d / count
    })
  }
}
