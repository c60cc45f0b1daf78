// The weights a config calls for, and reading them from a folder's safetensors without loading them.
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { tensorFromFile, type Device, type Tensor } from '@jora/tensor'
import { fromSafetensorsDType, openSafetensors, type FileRange, type TensorInfo } from '@jora/tensor/safetensors'
import { ModelError, type LlamaConfig } from './config'
import { indexName, parseWeightIndex, selectWeights } from './hub/select'
import type { Weights } from './model'

/** Shape of every weight by Hugging Face name, in checkpoint order. */
export function weightShapes(config: LlamaConfig): Map<string, readonly number[]> {
  const { hiddenSize: hidden, intermediateSize: ffn, vocabSize: vocab } = config
  const [queries, keys] = [config.heads * config.headDim, config.kvHeads * config.headDim]
  const shapes = new Map<string, readonly number[]>([['model.embed_tokens.weight', [vocab, hidden]]])
  for (let i = 0; i < config.layers; i++) {
    const layer: Record<string, readonly number[]> = {
      input_layernorm: [hidden],
      'self_attn.q_proj': [queries, hidden],
      'self_attn.k_proj': [keys, hidden],
      'self_attn.v_proj': [keys, hidden],
      'self_attn.o_proj': [hidden, queries],
      post_attention_layernorm: [hidden],
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

/**
 * Paths of the folder's safetensors files: those of the index, else the single file, else all there are.
 * @throws ModelError | HubError when there are none, or the index is malformed or names a file that is missing or outside
 */
export async function checkpointFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    const missing = error.code === 'ENOENT'
    throw new ModelError(`model folder ${folder} ${missing ? 'does not exist' : `cannot be read: ${error.message}`}`)
  })
  const all = new Set(names)
  const indexPath = join(folder, indexName)
  const index = all.has(indexName) ? parseWeightIndex(await readFile(indexPath, 'utf8'), folder) : undefined
  const files = selectWeights(all, index)
  for (const file of index ? files : []) {
    const found = await stat(join(folder, file)).catch(() => undefined)
    if (!found?.isFile()) throw new ModelError(`${indexPath} names ${file}, which is not in ${folder}`)
  }
  if (files.length > 0) return files.map((file) => join(folder, file))
  const others = names.filter((name) => /\.(bin|pt|pth|gguf|msgpack)$/.test(name))
  const only =
    others.length > 0 ? ` (only ${others.join(', ')}; convert it with transformers' save_pretrained first)` : ''
  throw new ModelError(`${folder} has no .safetensors file${only}`)
}

/** A tensor of a checkpoint, in its file. */
export interface StoredTensor {
  readonly file: string
  readonly info: TensorInfo
  readonly range: FileRange
}

/**
 * Every tensor of the checkpoint in `folder` by name, of which only the headers are read. All weights the config calls for
 * are there, with its shapes and in F32, F16 or BF16; others (rotary tables, a tied head saved all the same) come along.
 * @throws ModelError | HubError | SafetensorsError naming the file and tensor at fault
 */
export async function readCheckpoint(folder: string, config: LlamaConfig): Promise<Map<string, StoredTensor>> {
  const expected = weightShapes(config)
  const stored = new Map<string, StoredTensor>()
  for (const path of await checkpointFiles(folder)) {
    await using file = await openSafetensors(path)
    for (const [name, info] of file.tensors) {
      const twice = stored.get(name)
      if (twice) throw new ModelError(`${path}: ${name} is also in ${twice.file}; each weight must stand in one file`)
      stored.set(name, { file: path, info, range: file.range(name) })
      const shape = expected.get(name)
      if (!shape) continue
      if (shape.join() !== info.shape.join()) {
        throw new ModelError(
          `${path}: ${name} has shape [${info.shape.join(',')}], config.json calls for [${shape.join(',')}]`,
        )
      }
      if (!['F32', 'F16', 'BF16'].includes(info.dtype))
        throw new ModelError(`${path}: ${name} is ${info.dtype}; expected F32, F16 or BF16`)
    }
  }
  const absent = [...expected.keys()].filter((name) => !stored.has(name))
  if (absent.length > 0)
    throw new ModelError(`${folder} lacks ${absent.length} of ${expected.size} weights, first ${absent[0]}`)
  return stored
}

/**
 * The model's weights as tensors that stay in their files (memory-mapped on the CPU).
 * @throws as {@link readCheckpoint}, before any tensor is made
 */
export async function loadWeights(folder: string, config: LlamaConfig, device?: Device): Promise<Weights> {
  const stored = await readCheckpoint(folder, config)
  const weights: Record<string, Tensor> = {}
  for (const [name, shape] of weightShapes(config)) {
    const { info, range } = stored.get(name)!
    weights[name] = tensorFromFile(
      range,
      { shape, dtype: fromSafetensorsDType(info.dtype)! },
      { label: name, ...(device ? { device } : {}) },
    )
  }
  return weights
}
