// Loss and perplexity over samples, batch by batch, so that progress shows and Ctrl-C is heard.
import type { Sample } from '@jora/data'
import { dataGroups, Evaluator } from '@jora/lora'
import type { OpenModel } from './open-model'

export interface MeanLoss {
  /** Mean over labelled tokens, in nats. */
  readonly loss: number
  readonly perplexity: number
  readonly targetTokens: number
}

export interface MeanLossOptions {
  readonly batchSize: number
  readonly signal: AbortSignal
  readonly onProgress?: (done: number, total: number) => void
}

/** @throws the signal's reason when aborted */
export async function meanLoss(
  { base, lora, adapter, device, tokenizer }: OpenModel,
  samples: readonly Sample[],
  { batchSize, signal, onProgress }: MeanLossOptions,
): Promise<MeanLoss> {
  const evaluator = new Evaluator(base, lora, device)
  const padId = tokenizer.padId ?? tokenizer.eosId ?? 0
  // Neighbours of similar length share a batch.
  const sorted = [...samples].sort((a, b) => a.ids.length - b.ids.length)
  let [total, targetTokens] = [0, 0]
  try {
    for (let start = 0; start < sorted.length; start += batchSize) {
      signal.throwIfAborted()
      const batch = sorted.slice(start, start + batchSize)
      const part = await evaluator.run(batch, adapter, { batchSize, padId, groups: dataGroups(device) })
      total += part.loss * part.targetTokens
      targetTokens += part.targetTokens
      onProgress?.(start + batch.length, sorted.length)
    }
  } finally {
    evaluator.dispose()
  }
  const loss = total / targetTokens
  return { loss, perplexity: Math.exp(loss), targetTokens }
}
