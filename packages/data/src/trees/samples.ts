// Where samples are: in memory, or in a file of which a step reads its part. Plans are made of their figures alone.

import { countTargets, reach, type Sample } from './sample'

/** What plans need of samples, by their index; all counts are of tokens unless said otherwise. */
export interface SampleFigures {
  /** How many samples there are. */
  readonly length: number
  /** All of its tokens. */
  tokensOf(index: number): number
  /** Those that are learned; see `countTargets`. */
  targetsOf(index: number): number
  /** Its largest position + 1; see `reach`. */
  reachOf(index: number): number
  /** Branches of a context tree; 0 for a sample that is none. */
  branchesOf(index: number): number
  /** Those at its beginning that are a context; see `Sample.contextLength`. */
  contextOf(index: number): number
}

/** Samples that are read when a step needs them. */
export interface Samples extends SampleFigures {
  /** Whether each is a preference: a sample with two answers. */
  readonly arePreferences: boolean
  /** The samples of these indices, in their order. @throws RangeError for an index outside the list */
  read(indices: readonly number[]): Promise<Sample[]>
}

/** What an order or a plan of rows takes of a sample. */
export type PlannedSample = Pick<Sample, 'ids' | 'branches'> & Partial<Pick<Sample, 'labels' | 'contextLength'>>

/** Samples in memory. */
class HeldSamples<S extends PlannedSample> implements SampleFigures {
  /** −1 where they are not counted yet. */
  #targets: Int32Array | undefined

  constructor(protected readonly held: readonly S[]) {}

  get length(): number {
    return this.held.length
  }

  tokensOf(index: number): number {
    return this.held[index]!.ids.length
  }

  targetsOf(index: number): number {
    this.#targets ??= new Int32Array(this.length).fill(-1)
    if (this.#targets[index]! < 0) this.#targets[index] = countTargets({ labels: this.held[index]!.labels! })
    return this.#targets[index]!
  }

  reachOf(index: number): number {
    return reach(this.held[index]!)
  }

  branchesOf(index: number): number {
    return this.held[index]!.branches?.length ?? 0
  }

  contextOf(index: number): number {
    return this.held[index]!.contextLength ?? 0
  }
}

class HeldSource extends HeldSamples<Sample> implements Samples {
  get arePreferences(): boolean {
    return this.held.every((sample) => 'sign' in sample)
  }

  read(indices: readonly number[]): Promise<Sample[]> {
    const outside = indices.find((index) => this.held[index] === undefined)
    if (outside !== undefined) return Promise.reject(noSample(outside, this))
    return Promise.resolve(indices.map((index) => this.held[index]!))
  }
}

/** The error for an index that is not in a list. */
export const noSample = (index: number, { length }: { readonly length: number }): RangeError =>
  new RangeError(`no sample ${index} among ${length}`)

/** The figures of samples, wherever they are. */
export const figuresOf = (samples: readonly PlannedSample[] | SampleFigures): SampleFigures =>
  'tokensOf' in samples ? samples : new HeldSamples(samples)

/** Samples in memory as what steps read. */
export const samplesOf = (samples: readonly Sample[] | Samples): Samples =>
  'tokensOf' in samples ? samples : new HeldSource(samples)

/** Training samples in all: the branches of trees, and 1 for each other sample. */
export function countAll(samples: SampleFigures): number {
  let count = 0
  for (let i = 0; i < samples.length; i++) count += samples.branchesOf(i) || 1
  return count
}

/** The largest figure of any sample, or `least`. */
export function largest(samples: SampleFigures, of: (index: number) => number, least: number): number {
  let most = least
  for (let i = 0; i < samples.length; i++) most = Math.max(most, of(i))
  return most
}

/** Whether some sample is a context tree. */
export function haveTrees(samples: SampleFigures): boolean {
  for (let i = 0; i < samples.length; i++) if (samples.branchesOf(i) > 0) return true
  return false
}

/** Some of the samples, in another order or more than once. */
export class ChosenSamples implements Samples {
  readonly #source: Samples
  readonly #chosen: Int32Array

  /** @param chosen indices into `source` */
  constructor(source: Samples, chosen: Int32Array) {
    ;[this.#source, this.#chosen] = [source, chosen]
  }

  get length(): number {
    return this.#chosen.length
  }

  get arePreferences(): boolean {
    return this.#source.arePreferences
  }

  tokensOf(index: number): number {
    return this.#source.tokensOf(this.#chosen[index]!)
  }

  targetsOf(index: number): number {
    return this.#source.targetsOf(this.#chosen[index]!)
  }

  reachOf(index: number): number {
    return this.#source.reachOf(this.#chosen[index]!)
  }

  branchesOf(index: number): number {
    return this.#source.branchesOf(this.#chosen[index]!)
  }

  contextOf(index: number): number {
    return this.#source.contextOf(this.#chosen[index]!)
  }

  async read(indices: readonly number[]): Promise<Sample[]> {
    const outside = indices.find((index) => this.#chosen[index] === undefined)
    if (outside !== undefined) throw noSample(outside, this)
    return this.#source.read(indices.map((index) => this.#chosen[index]!))
  }
}
