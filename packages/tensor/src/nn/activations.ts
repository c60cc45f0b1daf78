// Activations and dropout.
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
 * @param key u32 `[2]`, new for every step
 * @param stream separates the masks of one step (a layer's number)
 */
export const dropout = (x: Tensor, rate: number, key: Tensor, stream = 0): Tensor =>
  rate === 0 ? x : apply('dropout', [x, key], { rate, stream })
