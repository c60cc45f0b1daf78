// Elementwise operations, with numpy broadcasting.
import type { DType } from '../dtype'
import type { OpName } from '../ir/op'
import type { Tensor } from '../tensor'
import { apply, lift, type TensorLike } from './apply'

type ParameterlessOp = Extract<
  OpName,
  'add' | 'sub' | 'mul' | 'div' | 'pow' | 'maximum' | 'minimum' | 'eq' | 'lt' | 'le'
>

function binary(op: ParameterlessOp, a: TensorLike, b: TensorLike): Tensor {
  if (typeof a === 'number') return apply(op, [lift(a, b as Tensor), b as Tensor], {})
  return apply(op, [a, lift(b, a)], {})
}

/** −x. */
export const neg = (x: Tensor): Tensor => apply('neg', [x], {})
/** eˣ. */
export const exp = (x: Tensor): Tensor => apply('exp', [x], {})
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => apply('log', [x], {})
export const sqrt = (x: Tensor): Tensor => apply('sqrt', [x], {})
/** 1/√x. */
export const rsqrt = (x: Tensor): Tensor => apply('rsqrt', [x], {})
export const sin = (x: Tensor): Tensor => apply('sin', [x], {})
export const cos = (x: Tensor): Tensor => apply('cos', [x], {})
export const tanh = (x: Tensor): Tensor => apply('tanh', [x], {})
/** 1/(1+e⁻ˣ). */
export const sigmoid = (x: Tensor): Tensor => apply('sigmoid', [x], {})
export const abs = (x: Tensor): Tensor => apply('abs', [x], {})

export const add = (a: TensorLike, b: TensorLike): Tensor => binary('add', a, b)
export const sub = (a: TensorLike, b: TensorLike): Tensor => binary('sub', a, b)
export const mul = (a: TensorLike, b: TensorLike): Tensor => binary('mul', a, b)
export const div = (a: TensorLike, b: TensorLike): Tensor => binary('div', a, b)
/** aᵇ; the gradient to b needs a > 0. */
export const pow = (a: TensorLike, b: TensorLike): Tensor => binary('pow', a, b)
export const maximum = (a: TensorLike, b: TensorLike): Tensor => binary('maximum', a, b)
export const minimum = (a: TensorLike, b: TensorLike): Tensor => binary('minimum', a, b)

/** a = b, as bool. */
export const eq = (a: TensorLike, b: TensorLike): Tensor => binary('eq', a, b)
/** a < b, as bool. */
export const lt = (a: TensorLike, b: TensorLike): Tensor => binary('lt', a, b)
/** a ≤ b, as bool. */
export const le = (a: TensorLike, b: TensorLike): Tensor => binary('le', a, b)
/** a > b, as bool. */
export const gt = (a: TensorLike, b: TensorLike): Tensor => binary('lt', b, a)
/** a ≥ b, as bool. */
export const ge = (a: TensorLike, b: TensorLike): Tensor => binary('le', b, a)

export const logicalNot = (x: Tensor): Tensor => apply('not', [x], {})
export const logicalAnd = (a: Tensor, b: Tensor): Tensor => apply('and', [a, b], {})
export const logicalOr = (a: Tensor, b: Tensor): Tensor => apply('or', [a, b], {})

/** `a` where `condition` (bool) holds, else `b`. All three broadcast. */
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  const like = typeof a === 'number' ? (b as Tensor) : a
  return apply('where', [condition, lift(a, like), lift(b, like)], {})
}

/** Converts to `dtype`: floats to integers truncate toward zero, bool is 0 or 1. */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : apply('cast', [x], { dtype }))

/** x·x, the gradient of which reads x once. */
export const square = (x: Tensor): Tensor => mul(x, x)
