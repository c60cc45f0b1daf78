// The model of the speed bench: random weights in a Hugging Face folder, and its arithmetic.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseConfig, weightShapes } from '@jora/llama'
import { writeSafetensors } from '@jora/tensor/safetensors'

const config26m = {
  model_type: 'llama',
  hidden_size: 512,
  intermediate_size: 1408,
  num_hidden_layers: 8,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  vocab_size: 8192,
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  eos_token_id: 2,
}

/** Writes the 26M-parameter model into `folder`. @param {string} folder */
export async function writeModel(folder) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config26m))
  const config = parseConfig(config26m)
  let state = 1
  const entries = [...weightShapes(config)].map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1)
    const data = Float32Array.from({ length: size }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return name.includes('norm') ? 1 : 0.04 * (state / 2 ** 31 - 1)
    })
    return { name, dtype: /** @type {const} */ ('F32'), shape, data: new Uint8Array(data.buffer) }
  })
  await writeSafetensors(join(folder, 'model.safetensors'), entries)
  return config
}

/**
 * Floating-point operations a LoRA step cannot avoid: 2·P·n forward, 2·P·n for the activations' gradients (none below the
 * first adapted layer), causal attention counted by half, the head on labelled rows.
 * @param {import('@jora/llama').DecoderConfig} c @param {number[]} lengths @param {number} labelled
 */
export function stepFlops(c, lengths, labelled) {
  const tokens = lengths.reduce((a, b) => a + b, 0)
  const q = c.heads * c.headDim
  const kv = c.kvHeads * c.headDim
  const layer = c.hiddenSize * (2 * q + 2 * kv + 3 * c.intermediateSize)
  const attention = lengths.reduce((n, s) => n + s * s, 0) * q * 2 // QKᵀ and PV, half of them masked
  const forward = c.layers * (2 * layer * tokens + attention)
  const backward = c.layers * (2 * layer * tokens + 2 * attention) - 2 * c.hiddenSize * (q + 2 * kv) * tokens
  const head = 4 * c.hiddenSize * c.vocabSize * labelled
  return forward + backward + head
}
