// Tiny random Llamas for tests, written to a folder as Hugging Face writes them.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeSafetensors, type SafetensorsEntry } from '@jora/tensor/safetensors'
import { parseConfig } from '../src/config/config'
import { weightShapes } from '../src/open/weights'

/** config.json of a decoder small enough to run in milliseconds. */
export const tinyConfig = {
  model_type: 'llama',
  torch_dtype: 'float32',
  vocab_size: 48,
  hidden_size: 32,
  intermediate_size: 40,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 96,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
}

/** Numbers in (−1, 1), the same for the same name. */
export function noise(name: string, size: number): Float32Array {
  let state = 0x811c9dc5
  for (let i = 0; i < name.length; i++) state = Math.imul(state ^ name.charCodeAt(i), 0x01000193) >>> 0
  return Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return (state >>> 8) / 2 ** 23 - 1
  })
}

type Elements = Float32Array | Uint16Array

/** Entry of a safetensors file; 16-bit elements are given as bit patterns. */
export const entry = (
  name: string,
  shape: readonly number[],
  data: Elements,
  dtype: 'F32' | 'F16' | 'BF16' = 'F32',
): SafetensorsEntry<Uint8Array> => ({
  name,
  dtype,
  shape,
  data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
})

/** The weights a config.json calls for: norms about 1, the rest small. */
export function tinyWeights(
  config: Record<string, unknown> = tinyConfig,
): { name: string; shape: readonly number[]; data: Float32Array }[] {
  return [...weightShapes(parseConfig(config))].map(([name, shape]) => {
    const base = name.endsWith('norm.weight') ? 1 : 0
    return {
      name,
      shape,
      data: noise(
        name,
        shape.reduce((n, d) => n * d, 1),
      ).map((x) => base + 0.3 * x),
    }
  })
}

/** float32 as the nearest 16-bit patterns of bf16 (ties away from zero, which tests do not meet). */
export const toBf16 = (values: Float32Array): Uint16Array =>
  Uint16Array.from(new Uint32Array(values.slice().buffer), (word) => (word + 0x8000) >>> 16)

/** Writes config.json and model.safetensors; `entries` replaces the weights. Returns `folder`. */
export async function writeTinyModel(
  folder: string,
  config: Record<string, unknown> = tinyConfig,
  entries?: Iterable<SafetensorsEntry<Uint8Array>>,
): Promise<string> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'config.json'), JSON.stringify(config))
  await writeSafetensors(
    join(folder, 'model.safetensors'),
    entries ?? tinyWeights(config).map(({ name, shape, data }) => entry(name, shape, data)),
    { format: 'pt' },
  )
  return folder
}
