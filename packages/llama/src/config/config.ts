// A decoder's configuration, read from a Hugging Face config.json.
import { parseJsonFile } from '@jora/data'
import { showValue } from '@jora/tensor'

/** More than any model has: a larger number is a broken file, and tables a layer would fill the memory. */
const mostLayers = 10_000

/** How rotary frequencies are stretched beyond the trained length. */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  /** Each frequency is divided by its own factor, `[headDim / 2]`: how GGUF files say what llama3 scaling comes to. */
  | { readonly type: 'divided'; readonly factors: readonly number[] }
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      /** Tokens the model was first trained on. */
      readonly originalMaxPositions: number
    }

/** The decoder families this package computes, by config.json's `model_type`. */
export type ModelType = 'llama' | 'mistral' | 'qwen2' | 'qwen3' | 'gemma' | 'gemma2'

/** Sizes and constants of a decoder. Families differ in nothing but these fields. */
export interface DecoderConfig {
  readonly modelType: ModelType
  readonly vocabSize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly rmsNormEpsilon: number
  readonly ropeTheta: number
  readonly ropeScaling: RopeScaling
  /** Longest sequence, in tokens, the model was made for. */
  readonly maxPositions: number
  readonly tiedHead: boolean
  /** What the gate of the MLP goes through; `gelu` is its tanh approximation. */
  readonly activation: 'silu' | 'gelu'
  /** Factor on embeddings: √hiddenSize for Gemma, else 1. */
  readonly embeddingScale: number
  /** Added to the stored weights of norms: 1 for Gemma, which stores how far they are from 1, else 0. */
  readonly normOffset: 0 | 1
  /** Whether attention and MLP are normalised on their way out too, before the residual sum (Gemma 2). */
  readonly outputNorms: boolean
  /** Whether each head's query and key are normalised, before they are rotated (Qwen 3). */
  readonly headNorms: boolean
  /** Linear layers with a bias, by the last part of their name, e.g. `q_proj`. */
  readonly biases: readonly string[]
  /** Factor on q·k: 1/√headDim but for Gemma 2. */
  readonly queryScale: number
  /** Attention scores s become cap · tanh(s / cap), before masking (Gemma 2). */
  readonly attentionSoftcap: number | undefined
  /** Likewise the logits. */
  readonly logitSoftcap: number | undefined
  /** Of each layer, how many positions a query sees, its own included; all that came before when undefined. */
  readonly windows: readonly (number | undefined)[]
  readonly bosTokenId: number | undefined
  readonly eosTokenIds: readonly number[]
}

/** A model folder whose config or weights cannot be used, with the file and key at fault. */
export class ModelError extends Error {
  override readonly name = 'ModelError'
}

class Reader {
  constructor(
    readonly json: Readonly<Record<string, unknown>>,
    readonly source: string,
  ) {}

  fail(key: string, expected: string): never {
    throw new ModelError(`${this.source}: "${key}" is ${showValue(this.json[key])}; expected ${expected}`)
  }

  /** A number > 0, or from `least`. */
  number(key: string, fallback?: number, least?: number): number {
    const value = this.json[key] ?? fallback
    const fits =
      typeof value === 'number' && Number.isFinite(value) && (least === undefined ? value > 0 : value >= least)
    return fits ? value : this.fail(key, least === undefined ? 'a positive number' : `a number ≥ ${least}`)
  }

  integer(key: string, fallback?: number): number {
    const value = this.number(key, fallback)
    return Number.isInteger(value) && value < 2 ** 31 ? value : this.fail(key, 'a positive integer below 2³¹')
  }

  /** One id or a list of ids. */
  ids(key: string): number[] {
    const value = this.json[key] ?? []
    const list: unknown[] = Array.isArray(value) ? value : [value]
    return list.every((id): id is number => Number.isInteger(id))
      ? list
      : this.fail(key, 'a token id or a list of them')
  }

  object(key: string): Readonly<Record<string, unknown>> | undefined {
    const value = this.json[key]
    if (value === undefined || value === null) return undefined
    return typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : this.fail(key, 'an object')
  }

  /** A number, or undefined where the file says null; `fallback` where it says nothing. */
  optional(key: string, fallback?: number): number | undefined {
    const value = this.json[key]
    return value === null || (value === undefined && fallback === undefined) ? undefined : this.number(key, fallback)
  }

  boolean(key: string, fallback: boolean): boolean {
    const value = this.json[key] ?? fallback
    return typeof value === 'boolean' ? value : this.fail(key, 'true or false')
  }
}

function objectOf(json: unknown, source: string): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new ModelError(`${source}: expected a JSON object`)
  return json as Record<string, unknown>
}

/** What is said of rotary frequencies: transformers 5 writes rope_parameters, earlier versions rope_scaling. */
function ropeKeys(config: Reader): Reader {
  const key = config.object('rope_parameters') ? 'rope_parameters' : 'rope_scaling'
  return new Reader(config.object(key) ?? {}, `${config.source}: ${key}`)
}

/** The base of the frequencies: in rope_parameters of transformers 5, before that beside it. */
function readTheta(config: Reader): number {
  const inner = ropeKeys(config)
  return inner.json.rope_theta === undefined || inner.json.rope_theta === null
    ? config.number('rope_theta', 10_000)
    : inner.number('rope_theta')
}

function readScaling(config: Reader): RopeScaling {
  const inner = ropeKeys(config)
  const scaling = inner.json
  for (const from of [config, inner])
    if (from.number('partial_rotary_factor', 1) !== 1) from.fail('partial_rotary_factor', '1: all of a head is rotated')
  const type = scaling.rope_type ?? scaling.type ?? 'default'
  if (type === 'default') return { type }
  if (type === 'linear') return { type, factor: inner.number('factor') }
  if (type === 'divided' && Array.isArray(scaling.factors))
    return { type, factors: scaling.factors as readonly number[] }
  if (type === 'llama3') {
    return {
      type,
      factor: inner.number('factor'),
      lowFrequencyFactor: inner.number('low_freq_factor'),
      highFrequencyFactor: inner.number('high_freq_factor'),
      originalMaxPositions: inner.integer(
        'original_max_position_embeddings',
        config.json.original_max_position_embeddings as number | undefined,
      ),
    }
  }
  return inner.fail('rope_type' in scaling ? 'rope_type' : 'type', '"default", "linear" or "llama3"')
}

/** What transformers takes where a family's config.json says nothing, and what the family does that no key tells. */
interface Family {
  readonly headDim?: number
  readonly maxPositions: number
  readonly tiedHead?: boolean
  readonly gemma?: boolean
  readonly outputNorms?: boolean
  readonly headNorms?: boolean
  readonly biases?: readonly string[]
  readonly softcaps?: { readonly attention: number; readonly logits: number }
  readonly queryPreScalar?: number
  /** Where the window's layers are when `layer_types` is absent. Families without this have no window. */
  readonly window?: { readonly size?: number; readonly on: (layer: number, config: Reader) => boolean }
}

const qwenWindow: Family['window'] = {
  size: 4096,
  on: (layer, config) =>
    config.boolean('use_sliding_window', false) && layer >= config.number('max_window_layers', 28, 0),
}

const families: Readonly<Record<ModelType, Family>> = {
  llama: { maxPositions: 2048 },
  mistral: { maxPositions: 131_072, window: { size: 4096, on: () => true } },
  qwen2: { maxPositions: 32_768, biases: ['q_proj', 'k_proj', 'v_proj'], window: qwenWindow },
  qwen3: { maxPositions: 32_768, headDim: 128, headNorms: true, window: qwenWindow },
  gemma: { maxPositions: 8192, headDim: 256, tiedHead: true, gemma: true },
  gemma2: {
    maxPositions: 8192,
    headDim: 256,
    tiedHead: true,
    gemma: true,
    outputNorms: true,
    softcaps: { attention: 50, logits: 30 },
    queryPreScalar: 256,
    window: { size: 4096, on: (layer) => layer % 2 === 0 },
  },
}

const modelTypes = Object.keys(families) as ModelType[]

/** Gemma's files name its activation in several ways, some of them wrongly; all of Gemma is trained with this one. */
const geluNames = ['gelu', 'gelu_pytorch_tanh', 'gelu_fast', 'gelu_new']

function readActivation(config: Reader, { gemma = false }: Family): DecoderConfig['activation'] {
  const key = gemma && config.json.hidden_activation ? 'hidden_activation' : 'hidden_act'
  const name = config.json[key] ?? (gemma ? 'gelu_pytorch_tanh' : 'silu')
  if (name === 'silu' && !gemma) return 'silu'
  // Elsewhere "gelu" is the exact one.
  if (geluNames.includes(name as string) && (gemma || name !== 'gelu')) return 'gelu'
  return config.fail(key, gemma ? '"gelu_pytorch_tanh"' : '"silu"')
}

function readBiases(config: Reader, { biases = [] }: Family): string[] {
  const attention = config.boolean('attention_bias', false) ? ['q_proj', 'k_proj', 'v_proj', 'o_proj'] : []
  const mlp = config.boolean('mlp_bias', false) ? ['gate_proj', 'up_proj', 'down_proj'] : []
  return [...new Set([...biases, ...attention, ...mlp])]
}

function readWindows(config: Reader, { window }: Family, layers: number): (number | undefined)[] {
  const types = config.json.layer_types ?? undefined
  const isSliding = (type: unknown) => {
    if (type === 'sliding_attention' || type === 'full_attention') return type === 'sliding_attention'
    return config.fail('layer_types', '"sliding_attention" or "full_attention" for each layer')
  }
  if (types !== undefined && !(Array.isArray(types) && types.length === layers))
    config.fail('layer_types', `a list of ${layers}, one for each layer`)
  const size = window && config.optional('sliding_window', window.size)
  return Array.from({ length: layers }, (_, layer) => {
    if (!window) return undefined
    return (types ? isSliding((types as unknown[])[layer]) : window.on(layer, config)) ? size : undefined
  })
}

/**
 * Checks a parsed config.json. `source` names it in errors.
 * @throws ModelError naming the key, what came and what was expected
 */
export function parseConfig(json: unknown, source = 'config.json'): DecoderConfig {
  const config = new Reader(objectOf(json, source), source)
  const modelType = modelTypes.find((type) => type === config.json.model_type)
  if (modelType === undefined) return config.fail('model_type', `one of ${modelTypes.join(', ')}`)
  const family = families[modelType]
  const [hiddenSize, heads] = [config.integer('hidden_size'), config.integer('num_attention_heads')]
  const kvHeads = config.integer('num_key_value_heads', heads)
  if (heads % kvHeads !== 0) config.fail('num_key_value_heads', `a divisor of num_attention_heads = ${heads}`)
  const headDim = config.integer('head_dim', family.headDim ?? hiddenSize / heads)
  if (headDim % 2 !== 0) config.fail('head_dim', 'an even number')
  const layers = config.integer('num_hidden_layers')
  if (layers > mostLayers) config.fail('num_hidden_layers', `at most ${mostLayers}`)
  const { softcaps, queryPreScalar } = family
  return {
    modelType,
    vocabSize: config.integer('vocab_size'),
    hiddenSize,
    intermediateSize: config.integer('intermediate_size'),
    layers,
    heads,
    kvHeads,
    headDim,
    rmsNormEpsilon: config.number('rms_norm_eps', 1e-6),
    ropeTheta: readTheta(config),
    ropeScaling: readScaling(config),
    maxPositions: config.integer('max_position_embeddings', family.maxPositions),
    tiedHead: config.boolean('tie_word_embeddings', family.tiedHead ?? false),
    activation: readActivation(config, family),
    embeddingScale: family.gemma ? Math.sqrt(hiddenSize) : 1,
    normOffset: family.gemma ? 1 : 0,
    outputNorms: family.outputNorms ?? false,
    headNorms: family.headNorms ?? false,
    biases: readBiases(config, family),
    queryScale: (queryPreScalar ? config.number('query_pre_attn_scalar', queryPreScalar) : headDim) ** -0.5,
    attentionSoftcap: softcaps && config.optional('attn_logit_softcapping', softcaps.attention),
    logitSoftcap: softcaps && config.optional('final_logit_softcapping', softcaps.logits),
    windows: readWindows(config, family, layers),
    bosTokenId: config.ids('bos_token_id')[0],
    eosTokenIds: config.ids('eos_token_id'),
  }
}

/** The parsed JSON of `text`, which errors call `source`. @throws ModelError when it is broken */
export function parseModelJson(text: string, source: string): unknown {
  return parseJsonFile(text, source, ModelError)
}

/** `config` with the stop ids of a parsed generation_config.json added. @throws ModelError as {@link parseConfig} */
export function withStopIds(
  config: DecoderConfig,
  generation: unknown,
  source = 'generation_config.json',
): DecoderConfig {
  const stops = new Reader(objectOf(generation, source), source).ids('eos_token_id')
  return { ...config, eosTokenIds: [...new Set([...config.eosTokenIds, ...stops])] }
}
