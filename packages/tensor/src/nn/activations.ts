// Activations and dropout.
import type { Window } from '../ir/op'
import { apply } from '../ops/apply'
import { add, mul, tanh } from '../ops/elementwise'
import type { Tensor } from '../tensor'

/** x·sigmoid(x), Llama's gate. */
export const silu = (x: Tensor): Tensor => apply('silu', [x], {})

/** GELU by its tanh approximation, Gemma's gate. */
export const gelu = (x: Tensor): Tensor => {
  const inner = mul(add(x, mul(mul(mul(x, x), x), 0.044715)), Math.sqrt(2 / Math.PI))
  return mul(mul(x, 0.5), add(tanh(inner), 1))
}

/**
 * Zeroes each element with probability `rate` and scales the rest by 1/(1−rate).
 * The mask is drawn as `randomUniform` draws an array of x's shape.
 * @param key u32 `[2]`, new for every step, or `[x.shape[0], 2]`: one a row
 * @param stream separates the masks of one step (a layer's number)
 * @param window the larger array of which x is a part
 */
export const dropout = (x: Tensor, rate: number, key: Tensor, stream = 0, window?: Window): Tensor =>
  rate === 0 ? x : apply('dropout', [x, key], { rate, stream, ...(window ? { window } : {}) })
