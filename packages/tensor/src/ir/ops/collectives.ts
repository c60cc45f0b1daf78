// Between the devices of a mesh: how a value is to be split, and the collectives that the partitioner writes.
import { fail } from '../../errors'
import { showShape } from '../../shape'
import { any, input, likeFirst, number, type Aval, type OpRules } from '../rule'
import { map } from './elementwise'

/** Names of mesh axes, for each dimension of a tensor. */
export type ShardingSpec = readonly (readonly string[])[]

export interface ShardingParams {
  /** For each dimension, the mesh axes it is split over (none: every device has it whole). Values do not change. */
  shardingConstraint: { readonly spec: ShardingSpec }
}

/** Carried out between programs. */
export interface CollectiveParams {
  /** Sum or maximum over the `count` devices that differ only along the mesh axes. */
  allReduce: { readonly axes: readonly string[]; readonly count: number; readonly reduction: 'sum' | 'max' }
  /** Their parts of dimension `dim`, joined in the axes' row-major order. */
  allGather: { readonly axes: readonly string[]; readonly count: number; readonly dim: number }
  /** Each device's own part of dimension `dim` of their sum. */
  reduceScatter: { readonly axes: readonly string[]; readonly count: number; readonly dim: number }
}

/** An op that several devices carry out together: no backend of one device runs it. */
export type CollectiveOp = keyof CollectiveParams

/** What a backend of one device says to a collective. */
export const refuseCollective = (op: CollectiveOp): never =>
  fail(op, 'runs between devices of a mesh; compile this graph for a mesh device')

/** Size of dimension `dim` of the first input, which a collective joins or cuts. */
function collectiveDim(op: string, { shape }: Aval, { dim, count }: CollectiveParams['allGather']): number {
  if (!Number.isInteger(count) || count < 1) fail(op, `count ${count} is not a number of devices`)
  return shape[dim] ?? fail(op, `dimension ${dim} is outside ${showShape(shape)}`)
}

const resized = (x: Aval, dim: number, size: number): Aval => ({
  ...x,
  shape: x.shape.map((d, i) => (i === dim ? size : d)),
})

export const shardingRules: OpRules<ShardingParams> = {
  shardingConstraint: {
    ...map(any),
    shape: (inputs, { spec }, op) => {
      const x = input(inputs, 0)
      if (spec.length !== x.shape.length)
        fail(op, `a spec of ${spec.length} dimensions for ${x.dtype}${showShape(x.shape)}`)
      const axes = spec.flat()
      if (new Set(axes).size !== axes.length) fail(op, `a mesh axis splits two dimensions in [${axes.join(',')}]`)
      return [x]
    },
  },
}

export const collectiveRules: OpRules<CollectiveParams> = {
  allReduce: { inputs: [number], reads: 'same', shape: likeFirst },
  allGather: {
    inputs: [any],
    reads: 'moved',
    shape: (inputs, params, op) => {
      const x = input(inputs, 0)
      return [resized(x, params.dim, collectiveDim(op, x, params) * params.count)]
    },
  },
  reduceScatter: {
    inputs: [number],
    reads: 'moved',
    shape: (inputs, params, op) => {
      const x = input(inputs, 0)
      const size = collectiveDim(op, x, params) / params.count
      if (!Number.isInteger(size))
        fail(op, `dimension ${params.dim} of ${showShape(x.shape)} is not a multiple of ${params.count} devices`)
      return [resized(x, params.dim, size)]
    },
  },
}
