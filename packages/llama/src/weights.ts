// The weights a config calls for, and reading them from a folder's safetensors without loading them.
import { readdir } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { tensorFromFile, type Device, type DType, type Tensor } from '@jora/tensor'
import { fromSafetensorsDType, openSafetensors } from '@jora/tensor/safetensors'
import { ModelError, readJson, type LlamaConfig } from './config'
import type { Weights } from './model'

/** Shape of every weight by Hugging Face name, in checkpoint order. */
export function weightShapes(config: LlamaConfig): Map<string, readonly number[]> {
  const { hiddenSize: hidden, intermediateSize: ffn, vocabSize: vocab } = config
  const [queries, keys] = [config.heads * config.headDim, config.kvHeads * config.headDim]
  const shapes = new Map<string, readonly number[]>([['model.embed_tokens.weight', [vocab, hidden]]])
  for (let i = 0; i < config.layers; i++) {
    const layer: Record<string, readonly number[]> = {
      'input_layernorm': [hidden],
      'self_attn.q_proj': [queries, hidden],
      'self_attn.k_proj': [keys, hidden],
      'self_attn.v_proj': [keys, hidden],
      'self_attn.o_proj': [hidden, queries],
      'post_attention_layernorm': [hidden],
      'mlp.gate_proj': [ffn, hidden],
      'mlp.up_proj': [ffn, hidden],
      'mlp.down_proj': [hidden, ffn],
    }
    for (const [name, shape] of Object.entries(layer)) shapes.set(`model.layers.${i}.${name}.weight`, shape)
  }
  shapes.set('model.norm.weight', [hidden])
  if (!config.tiedHead) shapes.set('lm_head.weight', [vocab, hidden])
  return shapes
}

const indexName = 'model.safetensors.index.json'

/** Safe file name of a shard. Index files come from elsewhere: a name must not lead out of the folder. */
function checkShardName(name: string, index: string): string {
  if (isAbsolute(name) || /^[A-Za-z]:|\\|(^|\/)\.\.(\/|$)/.test(name)) throw new ModelError(`${index}: shard name ${JSON.stringify(name)} leads out of the folder`)
  return name
}

/** Paths of the folder's safetensors files: those of the index, else the single file, else all there are. */
export async function checkpointFiles(folder: string): Promise<string[]> {
  const names = (await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw new ModelError(error.code === 'ENOENT' ? `model folder ${folder} does not exist` : `model folder ${folder} cannot be read: ${error.message}`)
  })) as string[]
  const present = names.filter((name) => name.endsWith('.safetensors')).sort()
  if (names.includes(indexName)) {
    const path = join(folder, indexName)
    const map = ((await readJson(path)) as { weight_map?: unknown }).weight_map
    if (typeof map !== 'object' || map === null) throw new ModelError(`${path}: "weight_map" is missing; expected an object of tensor name → file name`)
    const shards = [...new Set(Object.values(map as Record<string, string>).map((name) => checkShardName(String(name), path)))].sort()
    for (const shard of shards) if (!names.includes(shard)) throw new ModelError(`${path} names ${shard}, which is not in ${folder}`)
    return shards.map((shard) => join(folder, shard))
  }
  if (present.includes('model.safetensors')) return [join(folder, 'model.safetensors')]
  if (present.length > 0) return present.map((name) => join(folder, name))
  const others = names.filter((name) => /\.(bin|pt|pth|gguf|msgpack)$/.test(name))
  throw new ModelError(`${folder} has no .safetensors file${others.length > 0 ? ` (only ${others.join(', ')}; convert it with transformers' save_pretrained first)` : ''}`)
}

/**
 * The model's weights as tensors that stay in their files (memory-mapped on the CPU). Every name and shape is checked
 * against the config before anything runs.
 * @throws ModelError | SafetensorsError
 */
export async function loadWeights(folder: string, config: LlamaConfig, device?: Device): Promise<Weights> {
  const expected = weightShapes(config)
  const weights: Record<string, Tensor> = {}
  for (const path of await checkpointFiles(folder)) {
    await using file = await openSafetensors(path)
    for (const [name, info] of file.tensors) {
      const shape = expected.get(name)
      if (!shape) continue // buffers such as rotary tables, and tied heads that were saved all the same
      if (shape.join() !== info.shape.join()) throw new ModelError(`${path}: ${name} has shape [${info.shape.join(',')}], config.json calls for [${shape.join(',')}]`)
      const dtype: DType | undefined = fromSafetensorsDType(info.dtype)
      if (dtype !== 'f32' && dtype !== 'f16' && dtype !== 'bf16') throw new ModelError(`${path}: ${name} is ${info.dtype}; expected F32, F16 or BF16`)
      weights[name] = tensorFromFile(file.range(name), { shape, dtype }, { label: name, ...(device ? { device } : {}) })
    }
  }
  const absent = [...expected.keys()].filter((name) => !weights[name])
  if (absent.length > 0) throw new ModelError(`${folder} lacks ${absent.length} of ${expected.size} weights, first ${absent[0]}`)
  return weights
}
