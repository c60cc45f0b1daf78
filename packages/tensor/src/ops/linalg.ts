// Matrix products.
import type { Tensor } from '../tensor'
import { apply } from './apply'

/** Which operands of a product are used transposed. */
export interface DotOptions {
  /** Use aᵀ (its last two axes swapped), without a copy. */
  readonly transposeA?: boolean
  /** Use bᵀ. */
  readonly transposeB?: boolean
}

/** Matrix product over the last two axes `[…,m,k]·[…,k,n] → […,m,n]`; leading axes broadcast. */
export const dot = (a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: DotOptions = {}): Tensor =>
  apply('dot', [a, b], { transposeA, transposeB })

/** x Wᵀ for x `[…, in]` and a Hugging Face weight `[out, in]` → `[…, out]`. */
export const linear = (x: Tensor, weight: Tensor): Tensor => dot(x, weight, { transposeB: true })
