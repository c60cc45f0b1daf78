// Root-mean-square layer normalisation (Zhang & Sennrich 2019).
import { apply } from '../ops/apply'
import type { Tensor } from '../tensor'

/** x / √(mean(x²) + epsilon) · weight over the last axis. @param weight `[dim]` */
export const rmsNorm = (x: Tensor, weight: Tensor, epsilon: number): Tensor =>
  apply('rmsNorm', [x, weight], { epsilon })
