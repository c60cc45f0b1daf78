// What a method of adapting linear layers is: the tensors it has for a module, where they begin, and what they compute.
import type { Tensor, Weight } from '@jora/tensor'
import type { LoraConfig } from '../../settings/lora-config'
import type { AdaptedModule } from '../target-modules'

/**
 * One value for each tensor that a module's adapter has.
 *
 * - `loraA` `[r, in]` and `loraB` `[out, r]`, of every method;
 * - `magnitude` `[out]`, of DoRA: the length of each row of the adapted weight;
 * - `lengths` `[out]`, of DoRA adapters that are only asked: what the magnitudes are divided by, computed once;
 * - `initialA` and `initialB`, shaped as A and B, of methods that start from a part of the base weight: that part, which is
 *   taken away again and never trained.
 */
export type Parts<T> = {
  readonly loraA: T
  readonly loraB: T
  readonly magnitude?: T
  readonly lengths?: T
  readonly initialA?: T
  readonly initialB?: T
}

/**
 * What an adapter has in place of a module's own weight: all of it, `[out, in]` (PEFT's modules_to_save), or the rows of some tokens,
 * `[n, in]` (trainable_token_indices); see `replacedModules`.
 */
export type Replaced<T> = { readonly weight: T } | { readonly rows: T }

/** What an adapter has of a module: an update of low rank, or a weight of its own. */
export type ModuleParts<T> = Parts<T> | Replaced<T>

/** Whether a module's adapter is of low rank. */
export const isLowRank = <T, R>(parts: Parts<T> | Replaced<R>): parts is Parts<T> => 'loraA' in parts

/** The name of one of {@link ModuleParts}. */
export type PartName = keyof Parts<unknown> | 'weight' | 'rows'

/** Tensors that training leaves alone. */
const frozen: readonly PartName[] = ['lengths', 'initialA', 'initialB']

/** Whether training changes the tensor of that name. */
export const isTrained = (name: PartName): boolean => !frozen.includes(name)

/** The linear layer that is adapted, as a graph sees it. */
export interface AdaptedLayer {
  /** The frozen weight, `[out, in]`. */
  readonly weight: Weight
  /** The layer without its adapter and bias: `[…, in]` to `[…, out]`, in the type of its argument. */
  readonly base: (x: Tensor) => Tensor
  /** The factor on B A x; a tensor, f32 `[]`, where it is an argument of the program. */
  readonly scale: number | Tensor
  /** The dropout of this step; absent when not training, or without dropout. */
  readonly dropout?: ((x: Tensor) => Tensor) | undefined
}

/** A way to adapt linear layers; the entries of the table `methods`. */
export interface AdapterMethod {
  /** Shapes of the tensors of a module's adapter. */
  shapes(module: AdaptedModule, config: LoraConfig): Parts<readonly number[]>
  /** What of the base {@link init} is given: its weight, or what quantising took from it. */
  readonly readsBase: false | 'weight' | 'error'
  /**
   * A module's fresh adapter, row-major, a pure function of its arguments.
   * @param seed of this module
   * @param base the frozen weight, `[out, in]`, or what it lacks of the weight that it was quantised from; empty unless `readsBase`
   */
  init(module: AdaptedModule, config: LoraConfig, seed: number, base: Float32Array): Parts<Float32Array>
  /**
   * What the adapted layer computes.
   * @param x its input, `[…, in]`
   * @param y the base's output for it, `[…, out]`, without bias
   */
  forward(parts: Parts<Tensor>, x: Tensor, y: Tensor, layer: AdaptedLayer): Tensor
  /**
   * The tensors of an adapter that is not trained on, with what {@link forward} would compute of them and the weight each
   * time; absent where there is nothing of the kind. Runs in a graph.
   */
  settled?(parts: Parts<Tensor>, layer: AdaptedLayer, dtype: 'f32' | 'f16'): Parts<Tensor>
  /**
   * Changes rows of the base weight into those of the adapted one, rounded to float32 once.
   * @param rows `[n, in]`, changed in place
   * @param from number of the first row
   */
  merge(parts: Parts<Float32Array>, rows: Float32Array, from: number, r: number, scale: number): void
  /** As PEFT keeps it where the files must work with the base as it is; absent where that is the adapter itself. */
  readonly converted?: Conversion
}

/** How an adapter that starts from a part of its base becomes a plain LoRA of another rank, and back. */
export interface Conversion {
  /** The settings of the plain LoRA: its rank, and an alpha that leaves the scale as it is. */
  config(config: LoraConfig): LoraConfig
  /** The plain LoRA of a module. @param r rank of `parts` */
  parts(parts: Parts<Float32Array>, r: number): Parts<Float32Array>
  /** What {@link parts} was made of. @param r rank of the result */
  restore(parts: Parts<Float32Array>, r: number): Parts<Float32Array>
}
