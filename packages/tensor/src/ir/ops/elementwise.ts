// Elementwise ops: each element of the output is made of those at its own place, broadcast where shapes differ.
import type { DType } from '../../dtype'
import { broadcastShapes, type Shape } from '../../shape'
import {
  alike,
  any,
  bool,
  comparable,
  float,
  likeFirst,
  named,
  number,
  signed,
  type Aval,
  type DTypes,
  type None,
  type OpRule,
  type OpRules,
} from '../rule'

export interface ElementwiseParams {
  neg: None
  exp: None
  log: None
  sqrt: None
  rsqrt: None
  sin: None
  cos: None
  tanh: None
  sigmoid: None
  abs: None
  not: None
  add: None
  sub: None
  mul: None
  div: None
  pow: None
  maximum: None
  minimum: None
  eq: None
  lt: None
  le: None
  and: None
  or: None
  where: None
  cast: { readonly dtype: DType }
  stopGradient: None
  /** First input, made to wait for the second: keeps recomputed work in the backward pass. */
  barrier: None
}

const broadcast = (op: string, inputs: readonly Aval[]): Shape =>
  inputs.map((a) => a.shape).reduce((a, b) => broadcastShapes(op, a, b))

/** An op of one input, whose output has its shape and dtype. */
export const map = (dtypes: DTypes): OpRule<None> => ({ inputs: [dtypes], reads: 'same', shape: likeFirst })

/** An op of two inputs of one dtype, which is the output's unless `result` says otherwise. */
const zip = (dtypes: DTypes, result?: DType): OpRule<None> => ({
  inputs: [alike(dtypes), alike(dtypes)],
  reads: 'same',
  shape: (inputs, _params, op) => [{ shape: broadcast(op, inputs), dtype: result ?? inputs[0]!.dtype }],
})

export const elementwiseRules: OpRules<ElementwiseParams> = {
  neg: map(signed),
  exp: map(float),
  log: map(float),
  sqrt: map(float),
  rsqrt: map(float),
  sin: map(float),
  cos: map(float),
  tanh: map(float),
  sigmoid: map(float),
  abs: map(number),
  not: map(bool),
  add: zip(number),
  sub: zip(number),
  mul: zip(number),
  div: zip(number),
  pow: zip(number),
  maximum: zip(number),
  minimum: zip(number),
  eq: zip(comparable, 'bool'),
  lt: zip(number, 'bool'),
  le: zip(number, 'bool'),
  and: zip(bool),
  or: zip(bool),
  where: {
    // It moves elements and computes nothing: a mesh masks the rows of a bf16 table so.
    inputs: [named('condition', bool), alike(any), alike(any)],
    reads: 'same',
    shape: (inputs, _params, op) => [{ shape: broadcast(op, inputs), dtype: inputs[1]!.dtype }],
  },
  cast: {
    inputs: [any],
    reads: 'same',
    shape: ([x], { dtype }) => [{ shape: x!.shape, dtype }],
  },
  stopGradient: map(any),
  barrier: { inputs: [any, named('token', any)], reads: 'same', shape: likeFirst },
}
