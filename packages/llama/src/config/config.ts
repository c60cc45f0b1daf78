// A decoder's configuration, read from a Hugging Face config.json.
import { parseJsonFile } from '@jora/data'
import { families, isMixture, modelTypes, type Family, type ModelType } from './families'
import { ModelError, objectOf, Reader } from './reader'
import { readRope, type RopeConfig } from './rope'

export { ModelError } from './reader'
export type { ModelType } from './families'
export type { RopeScaling } from './rope'

/** More than any model has: a larger number is a broken file, and tables a layer would fill the memory. */
const mostLayers = 10_000

/** Sizes and constants of a decoder. Families differ in nothing but these fields. */
export interface DecoderConfig extends RopeConfig {
  readonly modelType: ModelType
  readonly vocabSize: number
  readonly hiddenSize: number
  readonly intermediateSize: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly rmsNormEpsilon: number
  /** Longest sequence, in tokens, the model was made for. */
  readonly maxPositions: number
  readonly tiedHead: boolean
  /** What the gate of the MLP goes through; `gelu` is its tanh approximation. */
  readonly activation: 'silu' | 'gelu'
  /** Factor on embeddings: √hiddenSize for Gemma, else 1 but for Granite. */
  readonly embeddingScale: number
  /** Factor on what attention and MLP add to the residual stream: 1 but for Granite. */
  readonly residualScale: number
  /** Factor on logits: 1 but for Granite. */
  readonly logitScale: number
  /** Added to the stored weights of norms: 1 for Gemma, which stores how far they are from 1, else 0. */
  readonly normOffset: 0 | 1
  /** Whether attention and MLP are normalised as they begin, on their way out (OLMo 2), or both (Gemma 2 and 3). */
  readonly norms: 'before' | 'after' | 'both'
  /** Whether queries and keys are normalised before they are rotated: each head alone (Qwen 3, Gemma 3), all as one (OLMo 2). */
  readonly queryKeyNorms: 'none' | 'head' | 'width'
  /** Whether q, k and v are one matrix, `qkv_proj`, and gate and up another, `gate_up_proj` (Phi-3). */
  readonly fused: boolean
  /** Linear layers with a bias, by the last part of their name, e.g. `q_proj`. */
  readonly biases: readonly string[]
  /** Factor on q·k: 1/√headDim but for Gemma 2 and 3 and Granite. */
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

function readBiases(config: Reader, { biases = [], fused = false }: Family): string[] {
  if (fused) return []
  const attention = config.boolean('attention_bias', false) ? ['q_proj', 'k_proj', 'v_proj', 'o_proj'] : []
  const mlp = config.boolean('mlp_bias', false) ? ['gate_proj', 'up_proj', 'down_proj'] : []
  return [...new Set([...biases, ...attention, ...mlp])]
}

/** Of each layer, whether it has a window. */
function readSliding(config: Reader, { windowOn }: Family, layers: number): boolean[] {
  const types = config.json.layer_types ?? undefined
  const isSliding = (type: unknown) => {
    if (type === 'sliding_attention' || type === 'full_attention') return type === 'sliding_attention'
    return config.fail('layer_types', '"sliding_attention" or "full_attention" for each layer')
  }
  if (types !== undefined && !(Array.isArray(types) && types.length === layers))
    config.fail('layer_types', `a list of ${layers}, one for each layer`)
  return Array.from({ length: layers }, (_, layer) => {
    if (!windowOn) return false
    return types ? isSliding((types as unknown[])[layer]) : windowOn(layer, config)
  })
}

/** The decoder's part of a config.json: all of it, or what a model that also sees pictures says of its text. */
export function textConfig(json: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (json.model_type !== 'gemma3') return json
  const { text_config: text, vision_config: _vision, architectures: _whole, ...outer } = json
  return { ...outer, ...(text as object), model_type: 'gemma3_text', architectures: ['Gemma3ForCausalLM'] }
}

function familyOf(config: Reader): ModelType {
  const said = config.json.model_type
  const modelType = modelTypes.find((type) => type === said)
  if (modelType !== undefined) return modelType
  const list = `one of ${modelTypes.join(', ')}`
  return config.fail(
    'model_type',
    typeof said === 'string' && isMixture(said) ? `${list}: mixtures of experts are not computed` : list,
  )
}

/**
 * Checks a parsed config.json. `source` names it in errors.
 * @throws ModelError naming the key, what came and what was expected
 */
export function parseConfig(json: unknown, source = 'config.json'): DecoderConfig {
  const said = textConfig(objectOf(json, source))
  const modelType = familyOf(new Reader(said, source))
  const family = families[modelType]
  const config = new Reader(said, source, family.defaults)
  const [hiddenSize, heads] = [config.integer('hidden_size'), config.integer('num_attention_heads')]
  const kvHeads = config.integer('num_key_value_heads', heads)
  if (heads % kvHeads !== 0) config.fail('num_key_value_heads', `a divisor of num_attention_heads = ${heads}`)
  const headDim = config.integer('head_dim', hiddenSize / heads)
  if (headDim % 2 !== 0) config.fail('head_dim', 'an even number')
  const layers = config.integer('num_hidden_layers')
  if (layers > mostLayers) config.fail('num_hidden_layers', `at most ${mostLayers}`)
  if (config.json.use_bidirectional_attention) config.fail('use_bidirectional_attention', 'false')
  const { softcaps, queryScalar, multipliers } = family
  const sliding = readSliding(config, family, layers)
  const window = family.windowOn && config.optional('sliding_window')
  const multiplier = (key: string) => (multipliers ? config.number(key, 1) : 1)
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
    ...readRope(config, headDim, sliding, family),
    maxPositions: config.integer('max_position_embeddings'),
    tiedHead: config.boolean('tie_word_embeddings', false),
    activation: readActivation(config, family),
    embeddingScale: family.gemma ? Math.sqrt(hiddenSize) : multiplier('embedding_multiplier'),
    residualScale: multiplier('residual_multiplier'),
    logitScale: 1 / multiplier('logits_scaling'),
    normOffset: family.gemma ? 1 : 0,
    norms: family.norms ?? 'before',
    queryKeyNorms: family.queryKeyNorms ?? 'none',
    fused: family.fused ?? false,
    biases: readBiases(config, family),
    queryScale: multipliers
      ? multiplier('attention_multiplier')
      : (queryScalar ? config.number(queryScalar) : headDim) ** -0.5,
    attentionSoftcap: softcaps ? config.optional('attn_logit_softcapping') : undefined,
    logitSoftcap: softcaps ? config.optional('final_logit_softcapping') : undefined,
    windows: sliding.map((isSliding) => (isSliding ? window : undefined)),
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
