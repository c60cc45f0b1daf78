// A decoder with an adapter's own embedding and head, or rows of them, in place of its own; or with weights that are trained whole.
import { disposeTree, literal, type Tensor } from '@jora/tensor'
import type { Decoder, DecoderConfig } from '@jora/llama'
import type { Replaced } from '../methods/method'
import { tensorName } from '../whole/weights'
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
  const own = Object.keys(adapter).flatMap((module) => {
    const entry = entryOf(adapter, module)
    return entry ? [[module, entry as ReplacedArgument] as const] : []
  })
  if (own.length === 0) return decoder
  const { config } = decoder
  const weights = { ...decoder.weights }
  const [embedding, head] = [moduleNames.embed_tokens, moduleNames.lm_head].map(
    (name) => own.find(([module]) => module === name)?.[1],
  )
  const untied = config.tiedHead && (embedding ?? head) !== undefined
  // Each is its own from here on: what the head was tied to may be another now.
  if (untied) weights[tensorName(moduleNames.lm_head)] = weights[tensorName(moduleNames.embed_tokens)]!
  for (const [module, entry] of own) if ('weight' in entry) weights[tensorName(module)] = entry.weight
  const rowsOf = (entry: ReplacedArgument | undefined) => (entry && 'rows' in entry ? entry : undefined)
  return {
    ...decoder,
    config: untied ? { ...config, tiedHead: false } : config,
    weights,
    tokenRows: { embedding: rowsOf(embedding), head: rowsOf(head) },
  }
}

/** The decoder without the weights that are trained themselves, which are released: their numbers are the adapter's from here on. */
export function withoutTrained(decoder: Decoder, settings: ReplacedSettings): Decoder {
  if (!settings.whole) return decoder
  const weights = { ...decoder.weights }
  for (const { base } of replacedModules(decoder.config, settings)) {
    disposeTree(weights[base]!)
    delete weights[base]
  }
  return { ...decoder, weights }
}
