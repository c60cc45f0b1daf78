// Elementwise operations, with numpy broadcasting.
import type { DType } from '../dtype'
import { fail } from '../errors'
import type { OpName } from '../ir/op'
import type { Tensor } from '../tensor'
import { apply, lift, type TensorLike } from './apply'

type BinaryOpName = Extract<OpName, 'add' | 'sub' | 'mul' | 'div' | 'pow' | 'maximum' | 'minimum' | 'eq' | 'lt' | 'le'>

/** An op of two operands, one of which is a tensor: a number becomes a scalar of its dtype. */
export interface BinaryOp {
  (a: Tensor, b: TensorLike): Tensor
  (a: TensorLike, b: Tensor): Tensor
}

/** Both as tensors. Throws a TensorError when neither decides the dtype. */
function liftBoth(op: OpName, a: TensorLike, b: TensorLike): [Tensor, Tensor] {
  if (typeof a !== 'number') return [a, lift(b, a)]
  if (typeof b !== 'number') return [lift(a, b), b]
  return fail(op, `got the numbers ${a} and ${b}; at least one must be a tensor, which decides the dtype`)
}

const binary =
  (op: BinaryOpName): BinaryOp =>
  (a: TensorLike, b: TensorLike) =>
    apply(op, liftBoth(op, a, b), {})

/** −x. */
export const neg = (x: Tensor): Tensor => apply('neg', [x], {})
/** eˣ. */
export const exp = (x: Tensor): Tensor => apply('exp', [x], {})
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => apply('log', [x], {})
/** √x. */
export const sqrt = (x: Tensor): Tensor => apply('sqrt', [x], {})
/** 1/√x. */
export const rsqrt = (x: Tensor): Tensor => apply('rsqrt', [x], {})
/** sin x, x in radians. */
export const sin = (x: Tensor): Tensor => apply('sin', [x], {})
/** cos x, x in radians. */
export const cos = (x: Tensor): Tensor => apply('cos', [x], {})
/** Hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => apply('tanh', [x], {})
/** 1/(1+e⁻ˣ). */
export const sigmoid = (x: Tensor): Tensor => apply('sigmoid', [x], {})
/** |x|. */
export const abs = (x: Tensor): Tensor => apply('abs', [x], {})

/** a + b. */
export const add: BinaryOp = binary('add')
/** a − b. */
export const sub: BinaryOp = binary('sub')
/** a · b, element by element. */
export const mul: BinaryOp = binary('mul')
/** a / b; integers truncate toward zero. */
export const div: BinaryOp = binary('div')
/** aᵇ; the gradient to b needs a > 0. */
export const pow: BinaryOp = binary('pow')
/** The larger of a and b; ties share the gradient. */
export const maximum: BinaryOp = binary('maximum')
/** The smaller of a and b; ties share the gradient. */
export const minimum: BinaryOp = binary('minimum')

/** x, but no less than `low` and no more than `high`; either may be left out. Where they cross, `high`. */
export function clip(x: Tensor, low: TensorLike | undefined, high?: TensorLike): Tensor {
  const raised = low === undefined ? x : maximum(x, low)
  return high === undefined ? raised : minimum(raised, high)
}

/** a = b, as bool. */
export const eq: BinaryOp = binary('eq')
/** a < b, as bool. */
export const lt: BinaryOp = binary('lt')
/** a ≤ b, as bool. */
export const le: BinaryOp = binary('le')
/** a > b, as bool. */
export const gt: BinaryOp = (a: TensorLike, b: TensorLike) => lt(b as Tensor, a)
/** a ≥ b, as bool. */
export const ge: BinaryOp = (a: TensorLike, b: TensorLike) => le(b as Tensor, a)

/** Not x, for bool. */
export const logicalNot = (x: Tensor): Tensor => apply('not', [x], {})
/** a and b, for bool. */
export const logicalAnd = (a: Tensor, b: Tensor): Tensor => apply('and', [a, b], {})
/** a or b, for bool. */
export const logicalOr = (a: Tensor, b: Tensor): Tensor => apply('or', [a, b], {})

/** `a` where `condition` (bool) holds, else `b`. All three broadcast; `a` or `b` is a tensor, which decides the dtype. */
export function where(condition: Tensor, a: Tensor, b: TensorLike): Tensor
export function where(condition: Tensor, a: TensorLike, b: Tensor): Tensor
export function where(condition: Tensor, a: TensorLike, b: TensorLike): Tensor {
  return apply('where', [condition, ...liftBoth('where', a, b)], {})
}

/** Converts to `dtype`: floats to integers truncate toward zero, bool is 0 or 1. */
export const cast = (x: Tensor, dtype: DType): Tensor => (x.dtype === dtype ? x : apply('cast', [x], { dtype }))

/** x·x, the gradient of which reads x once. */
export const square = (x: Tensor): Tensor => mul(x, x)
