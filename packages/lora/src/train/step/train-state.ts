// What a run changes: the adapter, and what its optimiser keeps.
import type { Tree } from '@jora/tensor'
import type { Adapter } from '../../adapter/adapter'

/** What is kept of a run beside its adapter. */
export const slotNames = ['m', 'v', 'z', 'ema', 'raw', 'packed'] as const
/**
 * - `m`, `v`, `z`: of the optimiser; AdamW's are its moments m and v;
 * - `ema`: the moving average;
 * - `raw`, in checkpoints alone: what is trained, where the adapter that is kept is another;
 * - `packed`: of an optimiser that keeps its numbers in 8 bits, as `adamw8bit` of `@jora/tensor` has them. The others are shaped
 *   as what of the adapter is trained.
 */
export type SlotName = (typeof slotNames)[number]

/** The adapter, and what is kept beside it. */
export type TrainState = { readonly adapter: Adapter } & {
  readonly [S in SlotName]?: S extends 'packed' ? Tree : Adapter
}

/** A state of what `of` makes of each of its trees. */
export const mapState = (state: TrainState, of: (tree: Tree, name: SlotName | 'adapter') => Tree): TrainState =>
  Object.fromEntries(
    Object.entries(state).map(([name, tree]) => [name, of(tree as Tree, name as SlotName | 'adapter')]),
  ) as unknown as TrainState
