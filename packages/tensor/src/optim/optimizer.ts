// What an optimiser is: the trees it keeps beside the parameters, the numbers of a step, and its update.
import type { Tensor } from '../tensor'
import type { Tree } from '../tree'
import type { AdamWConfig } from './adamw'

/** The constants of optimisers; each reads those that it has. */
export interface OptimizerConfig extends AdamWConfig {
  /** Of SGD and Muon (default 0.9). */
  readonly momentum?: number | undefined
}

/** Trees beside the parameters, by name: f32 and shaped as they are, but for `packed`, which is shaped as its optimiser has it. */
export type Slots = { readonly [slot: string]: Tree }

/** What is known of a step on the host. */
export interface StepPlace {
  /** 1 for the first. */
  readonly step: number
  readonly learningRate: number
  /** The step's share of the average of all steps so far; see `averagingShares`. 1 / step when absent. */
  readonly share?: number | undefined
}

/** An optimiser; the entries of the table `optimizers`. Its functions of trees run in a graph. */
export interface Optimizer {
  /** Names of its slots. */
  readonly slots: readonly string[]
  /** The slots before the first step. */
  init<T extends Tree>(params: T): Slots
  /** The numbers of one step, computed in float64; as many for every step, the learning rate first. */
  numbers(place: StepPlace, config: OptimizerConfig): readonly number[]
  /**
   * One step.
   * @param numbers f32 vector that begins with {@link numbers}
   * @throws TensorError for parameters that it cannot have
   */
  update<T extends Tree>(
    params: T,
    grads: T,
    slots: Slots,
    numbers: Tensor,
    config: OptimizerConfig,
  ): { readonly params: T; readonly slots: Slots }
  /** The parameters to evaluate and to keep, where they are others than those that are trained. */
  evaluated?<T extends Tree>(params: T, slots: Slots, config: OptimizerConfig): T
}
