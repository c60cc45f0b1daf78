// Rotary embedding as a config.json describes it: its base, how it is stretched, and which layers have it.
import type { Family } from './families'
import type { Reader } from './reader'

/** How rotary frequencies are stretched beyond the trained length. */
export type RopeScaling =
  | { readonly type: 'default' }
  | { readonly type: 'linear'; readonly factor: number }
  /** Each frequency is divided by its own factor, `[rotaryDim / 2]`: how GGUF files say what llama3 scaling comes to. */
  | { readonly type: 'divided'; readonly factors: readonly number[] }
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      /** Tokens the model was first trained on. */
      readonly originalMaxPositions: number
    }
  /** The base grows with the longest sequence of a batch, once that is past `maxPositions`. */
  | { readonly type: 'dynamic'; readonly factor: number; readonly maxPositions: number }
  /** YaRN (Peng et al. 2023): dimensions that turn less than `betaSlow` times over the trained length are stretched. */
  | {
      readonly type: 'yarn'
      readonly factor: number
      readonly betaFast: number
      readonly betaSlow: number
      /** Whether the bounds between dimensions are whole numbers. */
      readonly truncate: boolean
      readonly originalMaxPositions: number
      /** Factor on cos and sin. */
      readonly attentionFactor: number
    }
  /** LongRoPE (Ding et al. 2024): divided by `short`, or by `long` once a sequence of the batch is past the trained length. */
  | {
      readonly type: 'longrope'
      readonly short: readonly number[]
      readonly long: readonly number[]
      readonly originalMaxPositions: number
      /** Factor on cos and sin. */
      readonly attentionFactor: number
    }

/** The part of a decoder's configuration that is about positions. */
export interface RopeConfig {
  readonly ropeTheta: number
  readonly ropeScaling: RopeScaling
  /** How many of a head's dimensions, its first, are rotated: all but for Phi-4-mini. */
  readonly rotaryDim: number
  /** The base of the local layers' frequencies, which are not stretched. */
  readonly localRopeTheta: number
  /** Of each layer, how it rotates queries and keys: Gemma 3's layers with a window do as `local`, some of SmolLM3 not at all. */
  readonly rotations: readonly ('global' | 'local' | 'none')[]
}

/** What is said of rotary frequencies: transformers 5 writes rope_parameters, earlier versions rope_scaling. */
function ropeKeys(config: Reader): Reader {
  const keys = config.inner(config.object('rope_parameters') ? 'rope_parameters' : 'rope_scaling')
  // Where layers differ, those of a kind have an object of their own.
  return keys.object('full_attention') ? keys.inner('full_attention') : keys
}

/** What is said of layers with a window alone. */
function windowTheta(config: Reader): number {
  const inner = config.inner('rope_parameters').inner('sliding_attention')
  const type = inner.json.rope_type ?? 'default'
  if (type !== 'default') inner.fail('rope_type', '"default" in layers with a window')
  return inner.optional('rope_theta') ?? config.number('rope_local_base_freq')
}

/** A list of 0 and 1 by layer, or every so many layers one that does not rotate. */
function readRotated(config: Reader, layers: number): boolean[] {
  const listed = config.json.no_rope_layers
  if (Array.isArray(listed)) {
    if (listed.length < layers || !listed.every((each) => each === 0 || each === 1))
      config.fail('no_rope_layers', `a list of 0 and 1 for each of ${layers} layers`)
    return listed.slice(0, layers).map((each) => each === 1)
  }
  const interval = config.integer('no_rope_layer_interval')
  return Array.from({ length: layers }, (_, layer) => (layer + 1) % interval !== 0)
}

const lengthKey = 'original_max_position_embeddings'

function readScaling(config: Reader, rope: Reader, rotaryDim: number, renamed: Family['ropeTypes']): RopeScaling {
  const key = 'rope_type' in rope.json ? 'rope_type' : 'type'
  const said = rope.json[key] ?? 'default'
  if (typeof said !== 'string') return rope.fail(key, 'the name of a kind')
  const type = renamed && Object.hasOwn(renamed, said) ? renamed[said]! : said
  const originalMaxPositions = () =>
    config.value(lengthKey) === undefined
      ? rope.integer(lengthKey, config.integer('max_position_embeddings'))
      : config.integer(lengthKey)
  const factor = () => rope.optional('factor') ?? config.number('max_position_embeddings') / originalMaxPositions()
  switch (type) {
    case 'default':
      return { type: 'default' }
    case 'linear':
      return { type: 'linear', factor: rope.number('factor') }
    case 'dynamic':
      return { type: 'dynamic', factor: rope.number('factor'), maxPositions: config.integer('max_position_embeddings') }
    case 'divided':
      return { type: 'divided', factors: rope.numbers('factors', rotaryDim / 2) }
    case 'llama3':
      return {
        type: 'llama3',
        factor: rope.number('factor'),
        lowFrequencyFactor: rope.number('low_freq_factor'),
        highFrequencyFactor: rope.number('high_freq_factor'),
        originalMaxPositions: originalMaxPositions(),
      }
    case 'yarn': {
      const [by, all] = [rope.optional('mscale'), rope.optional('mscale_all_dim')]
      const scaleOf = (mscale: number) => (factor() <= 1 ? 1 : 0.1 * mscale * Math.log(factor()) + 1)
      return {
        type: 'yarn',
        factor: factor(),
        betaFast: rope.number('beta_fast', 32),
        betaSlow: rope.number('beta_slow', 1),
        truncate: rope.boolean('truncate', true),
        originalMaxPositions: originalMaxPositions(),
        attentionFactor:
          rope.optional('attention_factor') ??
          (by !== undefined && all !== undefined ? scaleOf(by) / scaleOf(all) : scaleOf(1)),
      }
    }
    case 'longrope':
      return {
        type: 'longrope',
        short: rope.numbers('short_factor', rotaryDim / 2),
        long: rope.numbers('long_factor', rotaryDim / 2),
        originalMaxPositions: originalMaxPositions(),
        attentionFactor:
          rope.optional('attention_factor') ??
          (factor() <= 1 ? 1 : Math.sqrt(1 + Math.log(factor()) / Math.log(originalMaxPositions()))),
      }
    default:
      return rope.fail(key, '"default", "linear", "dynamic", "llama3", "yarn" or "longrope"')
  }
}

/** Of a head's dimensions, those that are rotated. */
function readRotaryDim(config: Reader, rope: Reader, headDim: number, { partialRotary }: Family): number {
  const from = rope.json.partial_rotary_factor === undefined ? config : rope
  const part = from.number('partial_rotary_factor', 1)
  if (part !== 1 && !partialRotary) from.fail('partial_rotary_factor', '1: all of a head is rotated')
  const dim = Math.trunc(headDim * part)
  return part <= 1 && dim > 0 && dim % 2 === 0
    ? dim
    : from.fail('partial_rotary_factor', `a part of ${headDim} that is even`)
}

/**
 * @param sliding of each layer, whether it has a window
 * @throws ModelError naming the key
 */
export function readRope(config: Reader, headDim: number, sliding: readonly boolean[], family: Family): RopeConfig {
  const rope = ropeKeys(config)
  const rotaryDim = readRotaryDim(config, rope, headDim, family)
  const ropeTheta = rope.optional('rope_theta') ?? config.number('rope_theta', 10_000)
  return {
    ropeTheta,
    ropeScaling: readScaling(config, rope, rotaryDim, family.ropeTypes),
    rotaryDim,
    localRopeTheta: family.windowRope ? windowTheta(config) : ropeTheta,
    rotations: family.someUnrotated
      ? readRotated(config, sliding.length).map((isRotated) => (isRotated ? 'global' : 'none'))
      : sliding.map((isSliding) => (isSliding && family.windowRope ? 'local' : 'global')),
  }
}
