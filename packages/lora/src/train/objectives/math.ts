// Functions that losses of preferences are made of.
import { abs, add, exp, log, maximum, mul, neg, sub, sum, type Tensor } from '@jora/tensor'
import type { Pairs, PreferenceBatch } from './objective'

/** log σ(x), without overflow. */
export const logSigmoid = (x: Tensor): Tensor => neg(add(maximum(neg(x), 0), log(add(exp(neg(abs(x))), 1))))

/** How much likelier answers are than by the reference: log π − log π₀. */
export const ratios = ({ policy, reference }: PreferenceBatch): Pairs => ({
  first: reference ? sub(policy.first, reference.first) : policy.first,
  second: reference ? sub(policy.second, reference.second) : policy.second,
})

/** The sum over the samples of the batch, f32 `[]`. */
export const sumOf = (values: Tensor, { signs }: PreferenceBatch): Tensor => sum(mul(values, mul(signs, signs)))
