// Mesh: devices in a grid with named axes.

/** A mesh or a sharding that cannot be used, with what was given and what would do. */
export class ShardingError extends Error {
  override readonly name = 'ShardingError'
}

/**
 * A grid of devices with named axes, as `jax.sharding.Mesh`: `new Mesh(['data', 'model'], [2, 4])` has eight positions,
 * numbered row-major. Which device is at a position is the mesh device's affair.
 */
export class Mesh {
  readonly axes: readonly string[]
  readonly sizes: readonly number[]
  /** Positions in all. */
  readonly size: number
  readonly #groups = new Map<string, readonly number[]>()

  /** @throws ShardingError for names that repeat, or sizes that are no positive integers */
  constructor(axes: readonly string[], sizes: readonly number[]) {
    if (axes.length !== sizes.length)
      throw new ShardingError(`mesh: ${axes.length} axes (${axes.join(', ')}) and ${sizes.length} sizes`)
    axes.forEach((axis, i) => {
      const size = sizes[i]!
      if (!Number.isInteger(size) || size < 1)
        throw new ShardingError(`mesh: axis ${axis} has size ${size}, expected a positive integer`)
      if (axes.indexOf(axis) !== i) throw new ShardingError(`mesh: axis ${axis} is named twice`)
    })
    this.axes = axes
    this.sizes = sizes
    this.size = sizes.reduce((n, size) => n * size, 1)
  }

  /** Devices along `axis`; 1 for an axis the mesh does not have. */
  along(axis: string): number {
    return this.sizes[this.axes.indexOf(axis)] ?? 1
  }

  /** Where `position` is on each axis. */
  coordinates(position: number): readonly number[] {
    const coordinates: number[] = []
    for (const size of [...this.sizes].reverse()) {
      coordinates.unshift(position % size)
      position = Math.floor(position / size)
    }
    return coordinates
  }

  /** Where `position` is on `axis`; 0 for an axis the mesh does not have. */
  coordinate(position: number, axis: string): number {
    return this.coordinates(position)[this.axes.indexOf(axis)] ?? 0
  }

  /** Positions that differ from `position` along `axes` only, itself included, in the order of the mesh. */
  group(position: number, axes: readonly string[]): readonly number[] {
    const key = `${position} ${axes.join()}`
    let group = this.#groups.get(key)
    if (!group) {
      const own = this.coordinates(position)
      group = Array.from({ length: this.size }, (_, i) => i).filter((other) =>
        this.coordinates(other).every((c, i) => axes.includes(this.axes[i]!) || c === own[i]),
      )
      this.#groups.set(key, group)
    }
    return group
  }

  toString(): string {
    return this.axes.map((axis, i) => `${axis}=${this.sizes[i]}`).join(',')
  }
}

/** Reads `data=2,model=4`. @throws ShardingError saying what is wrong */
export function parseMesh(text: string, known: readonly string[] = ['data', 'model']): Mesh {
  const sizes = new Map(known.map((axis) => [axis, 1]))
  const given = new Set<string>()
  for (const part of text.split(',')) {
    const [, axis = '', size = ''] = part.trim().match(/^([a-z]+)=(\d+)$/) ?? []
    if (!known.includes(axis) || Number(size) < 1)
      throw new ShardingError(
        `mesh ${JSON.stringify(text)}: ${JSON.stringify(part)} is not AXIS=N with N ≥ 1 and AXIS one of ${known.join(', ')}`,
      )
    if (given.has(axis)) throw new ShardingError(`mesh ${JSON.stringify(text)}: ${axis} is given twice`)
    given.add(axis)
    sizes.set(axis, Number(size))
  }
  return new Mesh([...sizes.keys()], [...sizes.values()])
}
