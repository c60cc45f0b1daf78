// Context trees of a file taken apart: each branch a sample of its own, read with its tree.
import { branchSamples, ChosenSamples, countTargets, noSample, Numbers, type Sample, type Samples } from '@jora/data'

/** Samples that are looked at together. */
const readTogether = 256

/** The branches of trees as samples of their own; others as they are. */
class ApartSamples implements Samples {
  readonly arePreferences = false
  readonly #source: Samples
  readonly #trees: Int32Array
  readonly #branches: Int32Array
  readonly #tokens: Int32Array
  readonly #targets: Int32Array
  readonly #contexts: Int32Array

  constructor(source: Samples, columns: readonly [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]) {
    this.#source = source
    ;[this.#trees, this.#branches, this.#tokens, this.#targets, this.#contexts] = columns
  }

  get length(): number {
    return this.#trees.length
  }

  tokensOf(index: number): number {
    return this.#tokens[index]!
  }

  targetsOf(index: number): number {
    return this.#targets[index]!
  }

  reachOf(index: number): number {
    return this.#tokens[index]!
  }

  branchesOf(): number {
    return 0
  }

  contextOf(index: number): number {
    return this.#contexts[index]!
  }

  async read(indices: readonly number[]): Promise<Sample[]> {
    const outside = indices.find((index) => this.#trees[index] === undefined)
    if (outside !== undefined) throw noSample(outside, this)
    const trees = [...new Set(indices.map((index) => this.#trees[index]!))]
    const read = await this.#source.read(trees)
    const of = new Map(trees.map((tree, i) => [tree, branchSamples(read[i]!)]))
    return indices.map((index) => of.get(this.#trees[index]!)![this.#branches[index]!]!)
  }
}

/** The chosen samples of `source`, trees taken apart. Where there are any, all are read once, for their figures. */
export async function takenApart(source: Samples, chosen: Int32Array): Promise<Samples> {
  if (!chosen.some((index) => source.branchesOf(index) > 0)) return new ChosenSamples(source, chosen)
  const columns = [0, 0, 0, 0, 0].map(() => new Numbers(Int32Array))
  for (let from = 0; from < chosen.length; from += readTogether) {
    const indices = [...chosen.subarray(from, from + readTogether)]
    for (const [i, tree] of (await source.read(indices)).entries())
      branchSamples(tree).forEach((sample, branch) => {
        const { ids, contextLength = 0 } = sample
        const values = [indices[i]!, branch, ids.length, countTargets(sample), contextLength]
        columns.forEach((column, which) => column.push(values[which]!))
      })
  }
  const [a, b, c, d, e] = columns.map((column) => column.whole())
  return new ApartSamples(source, [a!, b!, c!, d!, e!])
}
