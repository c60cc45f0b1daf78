// Activations and dropout.
import type { Window } from '../ir/op'
import { apply } from '../ops/apply'
import { abs, add, div, exp, lt, mul, neg, sub, tanh, where } from '../ops/elementwise'
import type { Tensor } from '../tensor'

/** x·sigmoid(x), Llama's gate. */
export const silu = (x: Tensor): Tensor => apply('silu', [x], {})

/** GELU by its tanh approximation, Gemma's gate. */
export const gelu = (x: Tensor): Tensor => {
  const inner = mul(add(x, mul(mul(mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI))
  return mul(mul(x, 0.5), add(tanh(inner), 1))
}

/** Coefficients of {@link erf}'s polynomial, that of t⁵ first. */
const erfSeries = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592]

/**
 * The error function, 2/√π ∫₀ˣ e^(−t²) dt, to within 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26).
 * @param x f32 or f16
 */
export function erf(x: Tensor): Tensor {
  const size = abs(x)
  const t = div(1, add(mul(size, 0.3275911), 1))
  const [first = 0, ...rest] = erfSeries
  const sum = rest.reduce((above, coefficient) => mul(add(above, coefficient), t), mul(t, first))
  const value = sub(1, mul(sum, exp(neg(mul(size, size)))))
  return where(lt(x, 0), neg(value), value)
}

/** GELU as it is defined, x·Φ(x): BERT's. {@link gelu} is its approximation. */
export const geluErf = (x: Tensor): Tensor => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1))

/**
 * Zeroes each element with probability `rate` and scales the rest by 1/(1−rate).
 * The mask is drawn as `randomUniform` draws an array of x's shape.
 * @param key u32 `[2]`, new for every step, or `[x.shape[0], 2]`: one a row
 * @param stream separates the masks of one step (a layer's number)
 * @param window the larger array of which x is a part
 */
export const dropout = (x: Tensor, rate: number, key: Tensor, stream = 0, window?: Window): Tensor =>
  rate === 0 ? x : apply('dropout', [x, key], { rate, stream, ...(window ? { window } : {}) })
