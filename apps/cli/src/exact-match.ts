// Exact match: greedy answers compared with the rows' own, both trimmed.
import { renderPrompt, type PromptTemplate, type Row } from '@jora/data'
import { Generator } from '@jora/llama'
import { stopIdsOf, type OpenModel } from './open-model'

export interface ExactMatchOptions {
  readonly template: PromptTemplate
  readonly maxNewTokens: number
  readonly batchSize: number
  readonly signal: AbortSignal
  readonly onProgress?: (done: number, total: number, matched: number) => void
}

export interface ExactMatch {
  readonly matched: number
  /** Rows that have a text answer; pre-tokenised ones have none. */
  readonly rows: number
  /** Answers longer than `maxNewTokens`, which cannot match. */
  readonly tooLong: number
}

/** Answers every row of `rows` that has a prompt and an answer, in batches of similar length. */
export async function exactMatch(
  model: OpenModel,
  rows: readonly Row[],
  options: ExactMatchOptions,
): Promise<ExactMatch> {
  const { tokenizer, decoder, device } = model
  const { template, maxNewTokens, batchSize, signal } = options
  const tasks = rows.flatMap((row) => {
    if ('input_ids' in row) return []
    const answer = ('completion' in row ? row.completion : row.output).trim()
    return [{ prompt: tokenizer.encode(renderPrompt(template, row)), answer }]
  })
  tasks.sort((a, b) => a.prompt.length - b.prompt.length)
  const tooLong = tasks.filter(
    ({ answer }) => tokenizer.encode(answer, { continuation: true }).length > maxNewTokens,
  ).length
  const stopIds = stopIdsOf(model)
  const generator = new Generator(decoder, device)
  let matched = 0
  try {
    for (let start = 0; start < tasks.length; start += batchSize) {
      const batch = tasks.slice(start, start + batchSize)
      const answers = await generator.generate(
        batch.map(({ prompt }) => prompt),
        { maxNewTokens, stopIds, signal },
      )
      for (const [i, { ids }] of answers.entries()) {
        const text = tokenizer.decode(ids, { continuation: true, skipSpecialTokens: true }).trim()
        if (text === batch[i]!.answer) matched++
      }
      options.onProgress?.(start + batch.length, tasks.length, matched)
    }
  } finally {
    generator.dispose()
  }
  return { matched, rows: tasks.length, tooLong }
}
