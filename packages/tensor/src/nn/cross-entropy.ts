// Cross-entropy of a linear head, on chosen rows only.
import { applyAll } from '../ops/apply'
import type { Tensor } from '../tensor'

/**
 * −log softmax(hidden · weightᵀ)[label] of each row, f32 `[rows]`; 0 for rows whose label is negative.
 * @param hidden `[rows, dim]`: only the rows that have a label, gathered before
 * @param weight `[vocab, dim]`
 * @param labels i32 `[rows]`
 * @param options.softcap logits z become softcap · tanh(z / softcap), as in Gemma 2
 */
export const linearCrossEntropy = (
  hidden: Tensor,
  weight: Tensor,
  labels: Tensor,
  { softcap }: { readonly softcap?: number | undefined } = {},
): Tensor => applyAll('linearCrossEntropy', [hidden, weight, labels], softcap === undefined ? {} : { softcap })[0]!
