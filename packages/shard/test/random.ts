// Random numbers and shardings that depend on a seed alone.
import type { Shape } from '@jora/tensor'
import type { Mesh } from '../src/mesh/mesh'
import { PartitionSpec } from '../src/mesh/sharding'

/** Numbers that depend on the seed alone (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let x = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!
  }

  shuffled<T>(of: readonly T[]): T[] {
    const keys = of.map((value) => ({ value, at: this.next() }))
    return keys.sort((a, b) => a.at - b.at).map(({ value }) => value)
  }
}

/** A spec that an array of `shape` can have: each axis splits a dimension it divides, or with probability `terms` the sum, or none. */
export function randomSpec(random: Random, shape: Shape, mesh: Mesh, terms = 0): PartitionSpec {
  const dimensions: string[][] = shape.map(() => [])
  const sizes = [...shape]
  for (const [i, axis] of mesh.axes.entries()) {
    const fits = sizes.flatMap((d, dim) => (d > 0 && d % mesh.sizes[i]! === 0 ? [dim] : []))
    if (fits.length === 0 || random.chance(0.35)) continue
    const dim = random.pick(fits)
    dimensions[dim]!.push(axis)
    sizes[dim]! /= mesh.sizes[i]!
  }
  const free = mesh.axes.filter((axis) => !dimensions.flat().includes(axis))
  return new PartitionSpec(dimensions, { unreduced: free.filter(() => random.chance(terms)) })
}
