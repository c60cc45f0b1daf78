// The header of a llama2.c checkpoint, and where its weights are: the .bin files of karpathy/llama2.c, versions 0 and 1.
import { ModelError, parseConfig, type DecoderConfig } from '../config/config'
import { weightShapes } from '../open/weights'

/** `ak42`, which versions from 1 on start with. */
const magic = 0x616b3432
const versionedHeaderBytes = 256
const legacyHeaderBytes = 28
/** Bytes that hold the header of every version. */
export const llama2cHeaderBytes = versionedHeaderBytes

/** A weight in the file. */
export interface Llama2cWeight {
  /** Its Hugging Face name. */
  readonly name: string
  readonly shape: readonly number[]
  /** First byte in the file. */
  readonly begin: number
  readonly bytes: number
  /** Heads whose rows are in pairs for the rotation, and are halves in Hugging Face's layout; undefined: rows as they are. */
  readonly pairedHeads: number | undefined
}

export interface Llama2cHeader {
  readonly version: 0 | 1
  /** As Hugging Face's config.json says it. */
  readonly json: Readonly<Record<string, unknown>>
  readonly config: DecoderConfig
  /** In the order of the file. */
  readonly weights: readonly Llama2cWeight[]
  /** Size the file must have. */
  readonly fileBytes: number
}

/** Weights of one kind are together, layer after layer. */
const orders: Readonly<Record<0 | 1, readonly string[]>> = {
  0: [
    'model.embed_tokens',
    'input_layernorm',
    'self_attn.q_proj',
    'self_attn.k_proj',
    'self_attn.v_proj',
    'self_attn.o_proj',
    'post_attention_layernorm',
    'mlp.gate_proj',
    'mlp.down_proj',
    'mlp.up_proj',
    'model.norm',
    'rotary tables',
    'lm_head',
  ],
  1: [
    'input_layernorm',
    'post_attention_layernorm',
    'model.norm',
    'model.embed_tokens',
    'self_attn.q_proj',
    'self_attn.k_proj',
    'self_attn.v_proj',
    'self_attn.o_proj',
    'mlp.gate_proj',
    'mlp.down_proj',
    'mlp.up_proj',
    'lm_head',
  ],
}

/** What other files start with, and what they are. */
const others: readonly (readonly [start: string, what: string])[] = [
  ['GGUF', 'a GGUF file'],
  ['PK\u0003\u0004', "a PyTorch checkpoint (llama2.c's export.py makes a .bin of it)"],
  ['{', 'a JSON file'],
]

/**
 * Reads the header from the first bytes of a file.
 * @param source what errors call the file
 * @throws ModelError when it is no llama2.c checkpoint, or one of a version that is not read
 */
export function parseLlama2cHeader(start: Uint8Array, source: string): Llama2cHeader {
  const fail = (reason: string): never => {
    throw new ModelError(`${source} is not a llama2.c checkpoint: ${reason}`)
  }
  const text = String.fromCharCode(...start.subarray(0, 4))
  const other = others.find(([begin]) => text.startsWith(begin))
  if (other) fail(`it is ${other[1]}`)
  if (start.length < legacyHeaderBytes) fail(`it has ${start.length} bytes, the header alone has ${legacyHeaderBytes}`)
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength)
  const isVersioned = view.getUint32(0, true) === magic
  const version = isVersioned ? view.getInt32(4, true) : 0
  if (version === 2)
    throw new ModelError(
      `${source} is quantised to int8 (version 2 of llama2.c's format), which is not read; export it again with --version 1, or 0`,
    )
  if (version !== 0 && version !== 1) return fail(`its version is ${version}, expected 0, 1 or 2`)
  const at = isVersioned ? 8 : 0
  if (isVersioned && start.length < versionedHeaderBytes)
    fail(`it has ${start.length} bytes, the header alone has ${versionedHeaderBytes}`)
  const [hidden, ffn, layers, heads, kvHeads, vocab, positions] = [0, 1, 2, 3, 4, 5, 6].map((i) =>
    view.getInt32(at + 4 * i, true),
  ) as [number, number, number, number, number, number, number]
  const sizes = {
    dim: hidden,
    hidden_dim: ffn,
    n_layers: layers,
    n_heads: heads,
    n_kv_heads: kvHeads,
    max_seq_len: positions,
  }
  for (const [name, size] of Object.entries(sizes)) if (size < 1) fail(`its ${name} is ${size}`)
  if (vocab === 0) fail('its vocab_size is 0')
  if (vocab < 0 && version === 1) fail(`its vocab_size is ${vocab}`)
  if (hidden % heads !== 0 || (hidden / heads) % 2 !== 0)
    fail(`its dim ${hidden} is not an even number times its n_heads ${heads}`)
  if (heads % kvHeads !== 0) fail(`its n_kv_heads ${kvHeads} do not divide its n_heads ${heads}`)
  // In version 0 a negative vocabulary says that the head has weights of its own.
  const tied = version === 0 ? vocab > 0 : view.getUint8(at + legacyHeaderBytes) !== 0
  const json = {
    architectures: ['LlamaForCausalLM'],
    attention_bias: false,
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: 'silu',
    hidden_size: hidden,
    intermediate_size: ffn,
    max_position_embeddings: positions,
    mlp_bias: false,
    model_type: 'llama',
    num_attention_heads: heads,
    num_hidden_layers: layers,
    num_key_value_heads: kvHeads,
    // Neither is in the file: llama2.c computes with these.
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: tied,
    torch_dtype: 'float32',
    vocab_size: Math.abs(vocab),
  }
  const config = parseConfig(json, source)
  const first = isVersioned ? versionedHeaderBytes : legacyHeaderBytes
  return { version, json, config, ...placeWeights(config, version, first) }
}

function placeWeights(
  config: DecoderConfig,
  version: 0 | 1,
  first: number,
): Pick<Llama2cHeader, 'weights' | 'fileBytes'> {
  const shapes = weightShapes(config)
  const weights: Llama2cWeight[] = []
  let begin = first
  const add = (name: string, pairedHeads?: number) => {
    const shape = shapes.get(name)!
    const bytes = 4 * shape.reduce((n, d) => n * d, 1)
    weights.push({ name, shape, begin, bytes, pairedHeads })
    begin += bytes
  }
  for (const part of orders[version]) {
    if (part === 'rotary tables') begin += 4 * config.maxPositions * config.headDim
    else if (part === 'lm_head') {
      if (!config.tiedHead) add('lm_head.weight')
    } else if (part.startsWith('model.')) add(`${part}.weight`)
    else {
      const paired = { 'self_attn.q_proj': config.heads, 'self_attn.k_proj': config.kvHeads }[part]
      for (let layer = 0; layer < config.layers; layer++) add(`model.layers.${layer}.${part}.weight`, paired)
    }
  }
  return { weights, fileBytes: begin }
}
