// What a step says of the next token of each row, brought to the host: all scores only where more than the likeliest is asked for.
import type { Tensor } from '@jora/tensor'
import type { SamplingOptions } from './sampling'

/** The next token of a row. */
export interface NextToken {
  /** The likeliest. */
  readonly best: number
  /** Scores of every token, f32 `[vocab]`, which whoever chooses may change; absent where nobody asked for them. */
  readonly scores?: Float32Array
}

/** Whether these options choose by more than the likeliest token. */
export const needsScores = ({
  temperature = 0,
  repetitionPenalty = 1,
  presencePenalty = 0,
  frequencyPenalty = 0,
}: SamplingOptions): boolean =>
  temperature !== 0 || repetitionPenalty !== 1 || presencePenalty !== 0 || frequencyPenalty !== 0

/**
 * Reads what a step computed, and releases it.
 * @param scores f32 `[rows, vocab]`
 * @param best i32 `[rows]`
 * @param whole whether the scores are wanted
 */
export async function readNext(scores: Tensor, best: Tensor, whole: boolean): Promise<NextToken[]> {
  try {
    const [ids, all] = await Promise.all([best.data(), whole ? scores.data() : undefined])
    const vocab = scores.shape[1]!
    return Array.from(ids as Int32Array, (id, row) => ({
      best: id,
      ...(all ? { scores: (all as Float32Array).subarray(row * vocab, (row + 1) * vocab) } : {}),
    }))
  } finally {
    scores.dispose()
    best.dispose()
  }
}
