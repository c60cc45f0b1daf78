// Rotary position embedding (Su et al. 2021), Hugging Face's rotate-half layout.
import { apply } from '../ops/apply'
import type { Tensor } from '../tensor'

/**
 * Rotates the pairs (x[…, i], x[…, i + d/2]) by their angles.
 * @param x `[batch, heads, seq, d]`
 * @param cos `[batch or 1, seq, d/2]`
 * @param sin as cos
 */
export const rope = (x: Tensor, cos: Tensor, sin: Tensor): Tensor => apply('rope', [x, cos, sin], {})
