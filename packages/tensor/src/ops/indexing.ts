// Reading and adding rows by index.
import { normaliseAxis } from '../shape'
import type { Tensor } from '../tensor'
import { apply } from './apply'
import { reshape } from './movement'
import { add, mul } from './elementwise'
import { arange } from './create'

/** Slices of `axis` at `indices` (i32, any shape, 0 ≤ index < size): `[…, ...indices.shape, …]`. */
export const gather = (x: Tensor, indices: Tensor, axis = 0): Tensor =>
  apply('gather', [x, indices], { axis: normaliseAxis('gather', axis, x.shape.length) })

/** Zeros `[size, …]` with `updates[i]` added at row `indices[i]`: gather's transpose. Repeated indices add up. */
export const scatterAdd = (indices: Tensor, updates: Tensor, size: number): Tensor =>
  apply('scatterAdd', [indices, updates], { size })

/** x[i, indices[i]] for x `[n, m]`, indices i32 `[n]` → `[n]`. */
export function pick(x: Tensor, indices: Tensor): Tensor {
  const [n = 0, m = 0] = x.shape
  return gather(reshape(x, [n * m]), add(mul(arange(n), m), indices))
}
