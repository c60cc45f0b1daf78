// The partition table: how each op runs when its inputs are split over a mesh.
import type { CollectiveOp, OpName } from '@jora/tensor/graph'
import { argmaxing, maximal, softmaxing, summing } from './reduce'
import { product } from './dot'
import { additive, casting, linear, multiplicative, nonlinear, passing, selection } from './elementwise'
import {
  attention,
  attentionGrad,
  crossEntropy,
  crossEntropyGradInput,
  crossEntropyGradWeight,
  dropping,
  norming,
  normingGrad,
  rotating,
} from './fused'
import { dequantising } from './quantised'
import { gathering, scattering } from './indexing'
import {
  broadcasting,
  concatenating,
  dynamicSlicing,
  dynamicUpdating,
  making,
  padding,
  reshaping,
  slicing,
  transposing,
} from './movement'
import type { PartitionRule } from './rule'

/** One rule an op. Where an author says how a value is placed, the partitioner obeys; collectives are what it writes itself. */
export const partitionRules: {
  readonly [K in OpName]: K extends CollectiveOp
    ? 'collective'
    : K extends 'shardingConstraint'
      ? 'given'
      : PartitionRule<K>
} = {
  neg: linear,
  exp: nonlinear,
  log: nonlinear,
  sqrt: nonlinear,
  rsqrt: nonlinear,
  sin: nonlinear,
  cos: nonlinear,
  tanh: nonlinear,
  sigmoid: nonlinear,
  silu: nonlinear,
  abs: nonlinear,
  not: nonlinear,
  add: additive,
  sub: additive,
  mul: multiplicative,
  div: linear,
  pow: nonlinear,
  maximum: nonlinear,
  minimum: nonlinear,
  eq: nonlinear,
  lt: nonlinear,
  le: nonlinear,
  and: nonlinear,
  or: nonlinear,
  where: selection,
  cast: casting,
  stopGradient: passing,
  barrier: passing,
  shardingConstraint: 'given',
  full: making,
  literal: making,
  iota: making,
  sum: summing,
  max: maximal,
  argmax: argmaxing,
  softmax: softmaxing,
  reshape: reshaping,
  transpose: transposing,
  broadcastTo: broadcasting,
  slice: slicing,
  pad: padding,
  concat: concatenating,
  dynamicSlice: dynamicSlicing,
  dynamicUpdateSlice: dynamicUpdating,
  dot: product,
  gather: gathering,
  scatterAdd: scattering,
  dequantise: dequantising,
  randomUniform: making,
  dropout: dropping,
  rmsNorm: norming,
  rmsNormGrad: normingGrad,
  rope: rotating,
  attention,
  attentionGrad,
  linearCrossEntropy: crossEntropy,
  linearCrossEntropyGradInput: crossEntropyGradInput,
  linearCrossEntropyGradWeight: crossEntropyGradWeight,
  allReduce: 'collective',
  allGather: 'collective',
  reduceScatter: 'collective',
}
