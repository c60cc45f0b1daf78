// Cross-entropy of a linear head, on chosen rows only.
import { applyAll } from '../ops/apply'
import type { Tensor } from '../tensor'

/**
 * −log softmax(hidden · weightᵀ)[label] of each row, f32 `[rows]`; 0 for rows whose label is negative.
 * @param hidden `[rows, dim]`: only the rows that have a label, gathered before
 * @param weight `[vocab, dim]`
 * @param labels i32 `[rows]`
 */
export const linearCrossEntropy = (hidden: Tensor, weight: Tensor, labels: Tensor): Tensor =>
  applyAll('linearCrossEntropy', [hidden, weight, labels], {})[0]!
