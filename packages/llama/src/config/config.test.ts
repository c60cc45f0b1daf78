// config.json: what is read, defaults, and a clear error for every key that cannot be used.
import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { tinyConfig } from '../../test/tiny-model'
import { ModelError, parseConfig } from './config'
import { loadConfig } from '../open/folder'

const withKeys = (keys: Record<string, unknown>) => parseConfig({ ...tinyConfig, ...keys }, 'm/config.json')

describe('parseConfig', () => {
  test('reads sizes and constants', () => {
    expect(parseConfig(tinyConfig)).toEqual({
      modelType: 'llama',
      vocabSize: 48,
      hiddenSize: 32,
      intermediateSize: 40,
      layers: 3,
      heads: 4,
      kvHeads: 2,
      headDim: 8,
      rmsNormEpsilon: 1e-5,
      ropeTheta: 10_000,
      ropeScaling: { type: 'default' },
      rotaryDim: 8,
      localRopeTheta: 10_000,
      rotations: ['global', 'global', 'global'],
      maxPositions: 96,
      tiedHead: false,
      activation: 'silu',
      embeddingScale: 1,
      residualScale: 1,
      logitScale: 1,
      normOffset: 0,
      norms: 'before',
      queryKeyNorms: 'none',
      fused: false,
      biases: [],
      queryScale: 8 ** -0.5,
      attentionSoftcap: undefined,
      logitSoftcap: undefined,
      windows: [undefined, undefined, undefined],
      bosTokenId: 1,
      eosTokenIds: [2],
    })
  })

  test('has the defaults of transformers', () => {
    const minimal = {
      model_type: 'llama',
      vocab_size: 8,
      hidden_size: 64,
      intermediate_size: 8,
      num_hidden_layers: 1,
      num_attention_heads: 4,
    }
    expect(parseConfig(minimal)).toMatchObject({
      kvHeads: 4,
      headDim: 16,
      rmsNormEpsilon: 1e-6,
      ropeTheta: 10_000,
      maxPositions: 2048,
      tiedHead: false,
      bosTokenId: undefined,
      eosTokenIds: [],
    })
  })

  test('reads Llama 3: its own head size, several stop ids, rope scaling under either key', () => {
    const scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    }
    const ropeScaling = {
      type: 'llama3',
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalMaxPositions: 8192,
    }
    expect(
      withKeys({
        head_dim: 16,
        eos_token_id: [3, 4, 5],
        rope_theta: 500_000,
        rope_scaling: scaling,
        tie_word_embeddings: true,
      }),
    ).toMatchObject({
      headDim: 16,
      eosTokenIds: [3, 4, 5],
      ropeTheta: 500_000,
      ropeScaling,
      tiedHead: true,
    })
    const { rope_theta: _theta, ...rest } = tinyConfig
    expect(parseConfig({ ...rest, rope_parameters: { ...scaling, rope_theta: 500_000 } })).toMatchObject({
      ropeTheta: 500_000,
      ropeScaling,
    })
    expect(withKeys({ rope_scaling: { type: 'linear', factor: 2 } }).ropeScaling).toEqual({ type: 'linear', factor: 2 })
    expect(withKeys({ rope_scaling: null }).ropeScaling).toEqual({ type: 'default' })
  })

  describe('reads every way that transformers of the last years wrote it', () => {
    const { rope_theta: _theta, ...plain } = tinyConfig
    const llama3 = {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    }
    const scaled = {
      ropeTheta: 500_000,
      ropeScaling: {
        type: 'llama3',
        factor: 8,
        lowFrequencyFactor: 1,
        highFrequencyFactor: 4,
        originalMaxPositions: 8192,
      },
    }
    const linear = { ropeTheta: 500_000, ropeScaling: { type: 'linear', factor: 4 } }
    const unscaled = { ropeTheta: 500_000, ropeScaling: { type: 'default' } }
    test.each<[string, Record<string, unknown>, object]>([
      ['rope_theta beside, no scaling', { rope_theta: 500_000 }, unscaled],
      ['rope_theta beside, scaling null', { rope_theta: 500_000, rope_scaling: null, rope_parameters: null }, unscaled],
      [
        'rope_theta inside rope_parameters',
        { rope_parameters: { rope_type: 'default', rope_theta: 500_000 } },
        unscaled,
      ],
      ['rope_theta inside, without a type', { rope_parameters: { rope_theta: 500_000 } }, unscaled],
      [
        'rope_theta inside and beside: inside counts',
        { rope_theta: 10_000, rope_parameters: { rope_type: 'default', rope_theta: 500_000 } },
        unscaled,
      ],
      ['rope_theta null inside', { rope_theta: 500_000, rope_parameters: { rope_theta: null } }, unscaled],
      [
        'rope_theta inside rope_scaling',
        { rope_scaling: { rope_type: 'linear', factor: 4, rope_theta: 500_000 } },
        linear,
      ],
      ['type', { rope_theta: 500_000, rope_scaling: { type: 'linear', factor: 4.0 } }, linear],
      ['rope_type', { rope_theta: 500_000, rope_scaling: { rope_type: 'linear', factor: 4 } }, linear],
      [
        'both: rope_type counts',
        { rope_theta: 500_000, rope_scaling: { type: 'su', rope_type: 'linear', factor: 4 } },
        linear,
      ],
      ['llama3 in rope_scaling', { rope_theta: 500_000, rope_scaling: { rope_type: 'llama3', ...llama3 } }, scaled],
      [
        'llama3 in rope_parameters',
        { rope_parameters: { rope_type: 'llama3', rope_theta: 500_000, ...llama3 } },
        scaled,
      ],
      [
        'the first length beside',
        {
          rope_theta: 500_000,
          original_max_position_embeddings: 8192,
          rope_scaling: { rope_type: 'llama3', ...llama3, original_max_position_embeddings: undefined },
        },
        scaled,
      ],
      ['head_dim null', { rope_theta: 500_000, head_dim: null }, { headDim: 8 }],
      ['head_dim its own', { head_dim: 16 }, { headDim: 16 }],
      ['no num_key_value_heads', { num_key_value_heads: null }, { kvHeads: 4 }],
      ['torch_dtype', { torch_dtype: 'bfloat16' }, { hiddenSize: 32 }],
      ['dtype', { torch_dtype: undefined, dtype: 'bfloat16' }, { hiddenSize: 32 }],
      ['eos_token_id null', { eos_token_id: null, bos_token_id: null }, { eosTokenIds: [], bosTokenId: undefined }],
      ['partial_rotary_factor of 1', { partial_rotary_factor: 1.0 }, { headDim: 8 }],
    ])('%s', (_name, keys, expected) => {
      expect(parseConfig({ ...plain, ...keys })).toMatchObject(expected)
    })

    test.each([
      [{ partial_rotary_factor: 0.5 }, /"partial_rotary_factor" is 0\.5; expected 1/],
      [
        { rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.75 } },
        /rope_parameters: "partial_rotary_factor"/,
      ],
      [{ rope_scaling: { rope_type: 'ntk', factor: 4 } }, /rope_scaling: "rope_type" is "ntk"; expected/],
      [{ rope_parameters: { rope_type: 'proportional' } }, /rope_parameters: "rope_type" is "proportional"; expected/],
      [{ rope_parameters: { rope_theta: 'ten' } }, /rope_parameters: "rope_theta" is "ten"; expected a positive/],
    ])('and refuses what it does not compute: %j', (keys, message) => {
      expect(() => parseConfig({ ...plain, ...keys })).toThrow(message)
    })
  })

  test('reads Gemma: its first files name an activation it does not have, and leave the tied head out', () => {
    const gemma = {
      activation: 'gelu',
      embeddingScale: 32 ** 0.5,
      normOffset: 1,
      headDim: 256,
      queryScale: 1 / 16,
      tiedHead: true,
      maxPositions: 8192,
    }
    const { max_position_embeddings: _positions, tie_word_embeddings: _tied, ...rest } = tinyConfig
    const of = (keys: Record<string, unknown>) => parseConfig({ ...rest, ...keys })
    expect(of({ model_type: 'gemma', hidden_act: 'gelu', hidden_activation: null })).toMatchObject({
      ...gemma,
      norms: 'before',
      attentionSoftcap: undefined,
      windows: [undefined, undefined, undefined],
    })
    expect(of({ model_type: 'gemma2', hidden_activation: 'gelu_pytorch_tanh' })).toMatchObject({
      ...gemma,
      norms: 'both',
      attentionSoftcap: 50,
      logitSoftcap: 30,
      windows: [4096, undefined, 4096],
    })
    const odd = { query_pre_attn_scalar: 144, attn_logit_softcapping: null, final_logit_softcapping: 20 }
    expect(of({ model_type: 'gemma2', sliding_window: 512, ...odd })).toMatchObject({
      queryScale: 1 / 12,
      attentionSoftcap: undefined,
      logitSoftcap: 20,
      windows: [512, undefined, 512],
    })
  })

  test('reads where windows are: in all layers, some, those listed, or none', () => {
    const windows = (keys: Record<string, unknown>) => withKeys(keys).windows
    expect(windows({ model_type: 'mistral' })).toEqual([4096, 4096, 4096])
    expect(windows({ model_type: 'mistral', sliding_window: null })).toEqual([undefined, undefined, undefined])
    const qwen = { model_type: 'qwen2', sliding_window: 64, max_window_layers: 1 }
    expect(windows({ ...qwen, use_sliding_window: false })).toEqual([undefined, undefined, undefined])
    expect(windows({ ...qwen, use_sliding_window: true })).toEqual([undefined, 64, 64])
    const types = ['full_attention', 'sliding_attention', 'full_attention']
    expect(windows({ model_type: 'gemma2', sliding_window: 8, layer_types: types })).toEqual([undefined, 8, undefined])
    expect(windows({ sliding_window: 8 })).toEqual([undefined, undefined, undefined])
  })

  test('reads Gemma 3: the text part of a model that sees pictures, rotary bases of two kinds under old and new keys', () => {
    const expected = {
      modelType: 'gemma3_text',
      layers: 7,
      heads: 8,
      kvHeads: 4,
      headDim: 256,
      vocabSize: 262_208,
      norms: 'both',
      queryKeyNorms: 'head',
      windows: [1024, 1024, 1024, 1024, 1024, undefined, 1024],
      rotations: ['local', 'local', 'local', 'local', 'local', 'global', 'local'],
      ropeTheta: 1_000_000,
      localRopeTheta: 10_000,
      ropeScaling: { type: 'linear', factor: 8 },
      attentionSoftcap: undefined,
      tiedHead: true,
      eosTokenIds: [1, 106],
    }
    const text = { hidden_size: 2560, intermediate_size: 10_240, num_hidden_layers: 7, sliding_window: 1024 }
    const of = (rope: Record<string, unknown>) =>
      parseConfig({
        model_type: 'gemma3',
        eos_token_id: [1, 106],
        vision_config: {},
        text_config: { ...text, model_type: 'gemma3_text', ...rope },
      })
    expect(of({ rope_scaling: { rope_type: 'linear', factor: 8 } })).toMatchObject(expected)
    const full = { rope_type: 'linear', factor: 8, rope_theta: 1_000_000 }
    const nested = { full_attention: full, sliding_attention: { rope_type: 'default', rope_theta: 10_000 } }
    expect(of({ rope_parameters: nested })).toMatchObject(expected)
  })

  test('reads the factors of Granite, the layers of SmolLM3 that do not rotate, and how OLMo 2 normalises', () => {
    expect(withKeys({ model_type: 'granite', logits_scaling: 8, embedding_multiplier: 12 })).toMatchObject({
      logitScale: 1 / 8,
      embeddingScale: 12,
      residualScale: 1,
      queryScale: 1,
    })
    expect(withKeys({ logits_scaling: 8, embedding_multiplier: 12 })).toMatchObject({
      logitScale: 1,
      embeddingScale: 1,
    })
    const smollm3 = { model_type: 'smollm3', num_hidden_layers: 4 }
    expect(withKeys(smollm3).rotations).toEqual(['global', 'global', 'global', 'none'])
    expect(withKeys({ ...smollm3, no_rope_layers: [0, 1, 1, 1] }).rotations[0]).toBe('none')
    expect(withKeys({ model_type: 'olmo2' })).toMatchObject({ norms: 'after', queryKeyNorms: 'width' })
  })

  test('reads biases and head norms', () => {
    expect(withKeys({ attention_bias: true, mlp_bias: true }).biases).toHaveLength(7)
    expect(withKeys({ model_type: 'qwen2' }).biases).toEqual(['q_proj', 'k_proj', 'v_proj'])
    expect(withKeys({ model_type: 'qwen3' })).toMatchObject({ biases: [], queryKeyNorms: 'head', headDim: 128 })
  })

  const known = 'one of llama, mistral, qwen2, qwen3, gemma, gemma2, gemma3_text, phi3, granite, olmo2, smollm3'
  const bad: [keys: Record<string, unknown>, message: string][] = [
    [{ model_type: 'gpt2' }, `m/config.json: "model_type" is "gpt2"; expected ${known}`],
    [{ model_type: undefined }, `m/config.json: "model_type" is missing; expected ${known}`],
    [{ model_type: 'qwen3_moe' }, `${known}: mixtures of experts are not computed`],
    [
      { model_type: 'phi3', rope_scaling: { type: 'longrope', short_factor: [1], long_factor: [1, 1, 1, 1] } },
      'm/config.json: rope_scaling: "short_factor" is [1]; expected a list of 4 positive numbers',
    ],
    [{ partial_rotary_factor: 0.5 }, '"partial_rotary_factor" is 0.5; expected 1: all of a head is rotated'],
    [{ hidden_size: 0 }, 'm/config.json: "hidden_size" is 0; expected a positive number'],
    [{ hidden_size: '64' }, 'm/config.json: "hidden_size" is "64"; expected a positive number'],
    [{ vocab_size: undefined }, 'm/config.json: "vocab_size" is missing; expected a positive number'],
    [{ num_hidden_layers: 1.5 }, 'm/config.json: "num_hidden_layers" is 1.5; expected a positive integer'],
    [
      { num_key_value_heads: 3 },
      'm/config.json: "num_key_value_heads" is 3; expected a divisor of num_attention_heads = 4',
    ],
    [{ head_dim: 7 }, 'm/config.json: "head_dim" is 7; expected an even number'],
    [{ hidden_act: 'gelu' }, 'm/config.json: "hidden_act" is "gelu"; expected "silu"'],
    [{ attention_bias: 1 }, 'm/config.json: "attention_bias" is 1; expected true or false'],
    [
      { model_type: 'gemma', hidden_act: 'silu' },
      'm/config.json: "hidden_act" is "silu"; expected "gelu_pytorch_tanh"',
    ],
    [
      { model_type: 'gemma2', layer_types: ['full_attention'] },
      'm/config.json: "layer_types" is ["full_attention"]; expected a list of 3, one for each layer',
    ],
    [
      { model_type: 'mistral', sliding_window: -1 },
      'm/config.json: "sliding_window" is -1; expected a positive number',
    ],
    [{ eos_token_id: 'x' }, 'm/config.json: "eos_token_id" is "x"; expected a token id or a list of them'],
    [{ rope_scaling: 2 }, 'm/config.json: "rope_scaling" is 2; expected an object'],
    [
      { rope_scaling: { type: 'ntk' } },
      'm/config.json: rope_scaling: "type" is "ntk"; expected "default", "linear", "dynamic", "llama3", "yarn" or "longrope"',
    ],
    [
      { rope_scaling: { rope_type: 'llama3', factor: 8 } },
      'm/config.json: rope_scaling: "low_freq_factor" is missing; expected a positive number',
    ],
  ]
  for (const [keys, message] of bad) {
    test(`${message}`, () => {
      expect(() => withKeys(keys)).toThrow(ModelError)
      expect(() => withKeys(keys)).toThrow(message)
    })
  }

  test('wants an object', () => {
    for (const json of [null, [], 'x', 3])
      expect(() => parseConfig(json)).toThrow('config.json: expected a JSON object')
  })
})

describe('loadConfig', () => {
  let folder: string
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'jora-config-'))
    await writeFile(join(folder, 'config.json'), JSON.stringify(tinyConfig))
  })
  afterEach(() => rmSync(folder, { recursive: true }))
  const generation = (text: string) => writeFile(join(folder, 'generation_config.json'), text)

  test('adds the stop ids of generation_config.json', async () => {
    expect((await loadConfig(folder)).eosTokenIds).toEqual([2])
    await generation('{"eos_token_id": [2, 9]}')
    expect((await loadConfig(folder)).eosTokenIds).toEqual([2, 9])
    await generation('{"eos_token_id": 7}')
    expect((await loadConfig(folder)).eosTokenIds).toEqual([2, 7])
    await generation('{}')
    expect((await loadConfig(folder)).eosTokenIds).toEqual([2])
  })

  test('names a file that is broken', async () => {
    await generation('{"eos_token_id": ')
    await expect(loadConfig(folder)).rejects.toThrow(/generation_config\.json is not valid JSON/)
    await generation('{"eos_token_id": "x"}')
    await expect(loadConfig(folder)).rejects.toThrow(
      /generation_config\.json: "eos_token_id" is "x"; expected a token id/,
    )
    await generation('null')
    await expect(loadConfig(folder)).rejects.toThrow(/generation_config\.json: expected a JSON object/)
    await writeFile(join(folder, 'config.json'), '{,}')
    await expect(loadConfig(folder)).rejects.toThrow(/config\.json is not valid JSON/)
    rmSync(join(folder, 'config.json'))
    await expect(loadConfig(folder)).rejects.toThrow(/config\.json does not exist/)
  })
})
