// What an optimiser is: the trees it keeps beside the parameters, the numbers of a step, and its update.
import type { Tensor } from '../tensor'
import type { Tree } from '../tree'
import type { AdamWConfig } from './adamw'

/** The constants of optimisers; each reads those that it has. */
export interface OptimizerConfig extends AdamWConfig {
  /** Of SGD and Muon (default 0.9). */
  readonly momentum?: number | undefined
  /**
   * Parameters that are no matrices between layers, by the keys from the tree's root: `adamw_8bit` keeps their moments in f32, Muon
   * leaves them to AdamW. None when absent.
   */
  readonly apart?: ((path: readonly string[], shape: readonly number[]) => boolean) | undefined
  /** Of Muon: steps as long as AdamW's, 0.2·√max(rows, columns), so that one rate serves both (Liu et al. 2025). */
  readonly matchesRms?: boolean | undefined
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
  /** Names of the slots that it always has. */
  readonly slots: readonly string[]
  /** The slots before the first step. */
  init<T extends Tree>(params: T, config?: Pick<OptimizerConfig, 'apart'>): Slots
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
