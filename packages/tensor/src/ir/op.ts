// The op table: every operation a graph may hold, joined from its families.
import { collectiveRules, shardingRules, type CollectiveParams, type ShardingParams } from './ops/collectives'
import { createRules, type CreateParams } from './ops/create'
import { elementwiseRules, type ElementwiseParams } from './ops/elementwise'
import { fusedRules, type FusedParams } from './ops/fused'
import { indexingRules, type IndexingParams } from './ops/indexing'
import { linalgRules, type LinalgParams } from './ops/linalg'
import { movementRules, type MovementParams } from './ops/movement'
import { quantisedRules, type QuantisedParams } from './ops/quantised'
import { randomRules, type RandomParams } from './ops/random'
import { reduceRules, type ReduceParams } from './ops/reduce'
import { checkInputs, type Aval, type OpRule, type OpRules, type Reads } from './rule'

export { refuseCollective, type CollectiveOp, type ShardingSpec } from './ops/collectives'
export type { FusedOp } from './ops/fused'
export type { Window } from './ops/random'
export type { Aval } from './rule'

/** Parameters of each op: everything that is fixed when the graph is built. */
export interface OpParams
  extends
    ElementwiseParams,
    CreateParams,
    ReduceParams,
    MovementParams,
    LinalgParams,
    IndexingParams,
    RandomParams,
    QuantisedParams,
    FusedParams,
    ShardingParams,
    CollectiveParams {}

/** The name of an op of the table. */
export type OpName = keyof OpParams

/** One rule an op. */
export const opRules: OpRules<OpParams> = {
  ...elementwiseRules,
  ...createRules,
  ...reduceRules,
  ...movementRules,
  ...linalgRules,
  ...indexingRules,
  ...randomRules,
  ...quantisedRules,
  ...fusedRules,
  ...shardingRules,
  ...collectiveRules,
}

/** Whether several devices carry out `op` together. */
export const isCollective = (op: OpName): op is keyof CollectiveParams => op in collectiveRules

/**
 * Avals of what `op` returns for these inputs.
 * @throws TensorError that says what came and what was expected: dtypes first, then shapes
 */
export function inferAvals<K extends OpName>(op: K, inputs: readonly Aval[], params: OpParams[K]): readonly Aval[] {
  const rule: OpRule<OpParams[K]> = opRules[op]
  checkInputs(op, rule.inputs, inputs)
  return rule.shape(inputs, params, op)
}

/** How `op` reads its input `index`. */
export function readsOf(op: OpName, index: number): Reads {
  const { reads } = opRules[op]
  return typeof reads === 'string' ? reads : (reads[index] ?? reads.at(-1) ?? 'moved')
}
