// A decoder's configuration, read from a Hugging Face config.json.

/** How rotary frequencies are stretched beyond the trained length. */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      /** Tokens the model was first trained on. */
      readonly originalMaxPositions: number
    }

/** Sizes and constants of a Llama decoder. */
export interface DecoderConfig {
  readonly modelType: 'llama'
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
    throw new ModelError(
      `${this.source}: "${key}" is ${JSON.stringify(this.json[key]) ?? 'missing'}; expected ${expected}`,
    )
  }

  number(key: string, fallback?: number): number {
    const value = this.json[key] ?? fallback
    return typeof value === 'number' && Number.isFinite(value) && value > 0
      ? value
      : this.fail(key, 'a positive number')
  }

  integer(key: string, fallback?: number): number {
    const value = this.number(key, fallback)
    return Number.isInteger(value) ? value : this.fail(key, 'a positive integer')
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

  /** Features this decoder does not compute must be absent or off. */
  off(key: string): void {
    if (this.json[key]) this.fail(key, 'false: this Llama variant is not supported')
  }
}

function objectOf(json: unknown, source: string): Readonly<Record<string, unknown>> {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new ModelError(`${source}: expected a JSON object`)
  return json as Record<string, unknown>
}

function readScaling(config: Reader): RopeScaling {
  // transformers 5 writes rope_parameters, earlier versions rope_scaling with "type" or "rope_type".
  const key = config.object('rope_parameters') ? 'rope_parameters' : 'rope_scaling'
  const scaling = config.object(key)
  if (!scaling) return { type: 'default' }
  const inner = new Reader(scaling, `${config.source}: ${key}`)
  const type = scaling.rope_type ?? scaling.type ?? 'default'
  if (type === 'default') return { type }
  if (type === 'linear') return { type, factor: inner.number('factor') }
  if (type === 'llama3') {
    return {
      type,
      factor: inner.number('factor'),
      lowFrequencyFactor: inner.number('low_freq_factor'),
      highFrequencyFactor: inner.number('high_freq_factor'),
      originalMaxPositions: inner.integer('original_max_position_embeddings'),
    }
  }
  return inner.fail('rope_type' in scaling ? 'rope_type' : 'type', '"default", "linear" or "llama3"')
}

/**
 * Checks a parsed config.json. `source` names it in errors.
 * @throws ModelError naming the key, what came and what was expected
 */
export function parseConfig(json: unknown, source = 'config.json'): DecoderConfig {
  const config = new Reader(objectOf(json, source), source)
  if (config.json.model_type !== 'llama') config.fail('model_type', '"llama"')
  const activation = config.json.hidden_act ?? 'silu'
  if (activation !== 'silu') config.fail('hidden_act', '"silu"')
  config.off('attention_bias')
  config.off('mlp_bias')
  const [hiddenSize, heads] = [config.integer('hidden_size'), config.integer('num_attention_heads')]
  const kvHeads = config.integer('num_key_value_heads', heads)
  if (heads % kvHeads !== 0) config.fail('num_key_value_heads', `a divisor of num_attention_heads = ${heads}`)
  const headDim = config.integer('head_dim', hiddenSize / heads)
  if (headDim % 2 !== 0) config.fail('head_dim', 'an even number')
  const theta = config.object('rope_parameters')?.rope_theta
  return {
    modelType: 'llama',
    vocabSize: config.integer('vocab_size'),
    hiddenSize,
    intermediateSize: config.integer('intermediate_size'),
    layers: config.integer('num_hidden_layers'),
    heads,
    kvHeads,
    headDim,
    rmsNormEpsilon: config.number('rms_norm_eps', 1e-6),
    ropeTheta: config.number('rope_theta', typeof theta === 'number' ? theta : 10_000),
    ropeScaling: readScaling(config),
    maxPositions: config.integer('max_position_embeddings', 2048),
    tiedHead: config.json.tie_word_embeddings === true,
    bosTokenId: config.ids('bos_token_id')[0],
    eosTokenIds: config.ids('eos_token_id'),
  }
}

/** The parsed JSON of `text`, which errors call `source`. @throws ModelError when it is broken */
export function parseModelJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new ModelError(`${source} is not valid JSON: ${(error as Error).message}`)
  }
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
