// A device's program cut at its collectives, as data: segments that run on the device, and exchanges between them.
import type { Part, Value } from '@jora/tensor/graph'

/** What devices of a group send one another. */
export interface Exchange {
  readonly op: 'allReduce' | 'allGather' | 'reduceScatter'
  readonly axes: readonly string[]
  readonly count: number
  /** One value that goes to all, or one for each device of the group. */
  readonly outgoing: readonly Value[]
  /** What comes from each device of the group; from itself, what it sends itself. */
  readonly parts: readonly Value[]
  /** Where in the model it is. */
  readonly scope: string
}

export interface ScheduleStep {
  readonly segment: Part | undefined
  /** Runs while the exchanges of the step before are under way: nothing in it waits for them. */
  readonly overlaps: boolean
  /** Started once the segment has run. */
  readonly exchanges: readonly Exchange[]
  /** Values that nothing after this step reads. */
  readonly dead: readonly Value[]
}

export interface Schedule {
  readonly inputs: readonly Value[]
  readonly constants: readonly Value[]
  readonly steps: readonly ScheduleStep[]
  /** Each a value of its own: no input, and none twice. */
  readonly outputs: readonly Value[]
}
