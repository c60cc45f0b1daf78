// A decoder with an adapter's own embedding and head, or rows of them, in place of its own.
import { literal, type Tensor } from '@jora/tensor'
import type { Decoder, DecoderConfig } from '@jora/llama'
import type { Replaced } from '../methods/method'
import { headFollows, moduleNames, replacedModules, type ReplacedSettings } from './modules'

/** What an adapter has of its own of a module, as a graph takes it: rows with the ids of their tokens, i32 `[n]`. */
export type ReplacedArgument = { readonly weight: Tensor } | { readonly rows: Tensor; readonly ids: Tensor }

/** Tensors of an adapter by module, low-rank ones among them. */
type ByModule = { readonly [module: string]: object }

const entryOf = (adapter: ByModule, module: string): Replaced<Tensor> | undefined => {
  const entry = adapter[module]
  return entry && ('weight' in entry || 'rows' in entry) ? (entry as Replaced<Tensor>) : undefined
}

/**
 * What an adapter replaces in a decoder of `model`, said of embedding and head apart: a tied head takes the embedding's.
 * @param put makes the ids of rows, i32 `[n]`; in a graph a table when absent
 */
export function replacedArguments(
  adapter: ByModule,
  model: DecoderConfig,
  settings: ReplacedSettings,
  put: (ids: readonly number[]) => Tensor = (ids) => literal(ids, [ids.length], 'i32'),
): { readonly [module: string]: ReplacedArgument } {
  const found: Record<string, ReplacedArgument> = {}
  for (const { name, ids } of replacedModules(model, settings)) {
    const entry = entryOf(adapter, name)
    if (entry) found[name] = 'rows' in entry ? { rows: entry.rows, ids: put(ids!) } : entry
  }
  const embedding = found[moduleNames.embed_tokens]
  return embedding && headFollows(model, settings) ? { ...found, [moduleNames.lm_head]: embedding } : found
}

/** The decoder with what {@link replacedArguments} says; what of `adapter` is of low rank is passed over. */
export function withReplaced(decoder: Decoder, adapter: ByModule): Decoder {
  const [embedding, head] = [moduleNames.embed_tokens, moduleNames.lm_head].map(
    (name) => entryOf(adapter, name) as ReplacedArgument | undefined,
  )
  if (!embedding && !head) return decoder
  const { config } = decoder
  const weights = { ...decoder.weights }
  // Each is its own from here on: what the head was tied to may be another now.
  const [embeddingName, headName] = [`${moduleNames.embed_tokens}.weight`, `${moduleNames.lm_head}.weight`]
  if (config.tiedHead) weights[headName] = weights[embeddingName]!
  if (embedding && 'weight' in embedding) weights[embeddingName] = embedding.weight
  if (head && 'weight' in head) weights[headName] = head.weight
  const rowsOf = (entry: ReplacedArgument | undefined) => (entry && 'rows' in entry ? entry : undefined)
  return {
    ...decoder,
    config: { ...config, tiedHead: false },
    weights,
    tokenRows: { embedding: rowsOf(embedding), head: rowsOf(head) },
  }
}
