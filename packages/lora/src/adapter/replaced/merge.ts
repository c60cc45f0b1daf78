// What an adapter has in place of embedding and head, for those who write merged weights.
import type { DecoderConfig } from '@jora/llama'
import { isLowRank } from '../methods/method'
import type { AdapterArrays } from '../host'
import { headFollows, moduleNames, replacedModules, type ReplacedSettings } from './modules'

/** A weight that an adapter has of its own, or rows of it. */
export interface ReplacedWeight {
  /** Puts its rows in place of rows `from…` of the model's, `[n, in]`, which are changed. */
  put(rows: Float32Array, from: number): void
}

/** All that an adapter replaces, by tensor, e.g. `lm_head.weight`; a tied head is the same as its embedding. */
export function replacedWeights(
  adapter: AdapterArrays,
  model: DecoderConfig,
  settings: ReplacedSettings,
): ReadonlyMap<string, ReplacedWeight> {
  const found = new Map<string, ReplacedWeight>()
  for (const { name, ids } of replacedModules(model, settings)) {
    const parts = adapter[name]
    if (!parts || isLowRank(parts)) continue
    const { data, shape } = 'weight' in parts ? parts.weight : parts.rows
    const columns = shape[1]!
    found.set(`${name}.weight`, {
      put(rows, from) {
        const to = from + rows.length / columns
        if (!ids) return rows.set(data.subarray(from * columns, to * columns))
        for (const [i, id] of ids.entries())
          if (id >= from && id < to) rows.set(data.subarray(i * columns, (i + 1) * columns), (id - from) * columns)
      },
    })
  }
  const embedding = found.get(`${moduleNames.embed_tokens}.weight`)
  return embedding && headFollows(model, settings) ? found.set(`${moduleNames.lm_head}.weight`, embedding) : found
}
