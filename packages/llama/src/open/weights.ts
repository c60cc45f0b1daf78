// The weights a config calls for, and the check that a checkpoint has them.
import type { TensorInfo } from '@jora/tensor/safetensors'
import { blockTypes, type BlockType, type WeightType } from '@jora/tensor/weights'
import { ModelError, type DecoderConfig } from '../config/config'

/** Shape of every weight by Hugging Face name, in checkpoint order. */
export function weightShapes(config: DecoderConfig): Map<string, readonly number[]> {
  const { hiddenSize: hidden, intermediateSize: ffn, vocabSize: vocab } = config
  const [queries, keys] = [config.heads * config.headDim, config.kvHeads * config.headDim]
  const shapes = new Map<string, readonly number[]>([['model.embed_tokens.weight', [vocab, hidden]]])
  for (let i = 0; i < config.layers; i++) {
    const norms = (present: boolean, name: string, size = hidden) => (present ? [[name, [size]] as const] : [])
    const [before, after] = [config.norms !== 'after', config.norms !== 'before']
    const width = (heads: number) => (config.queryKeyNorms === 'width' ? heads * config.headDim : config.headDim)
    const normed = config.queryKeyNorms !== 'none'
    const layer: (readonly [name: string, shape: readonly number[]])[] = [
      ...norms(before, 'input_layernorm'),
      ...(config.fused
        ? [['self_attn.qkv_proj', [queries + 2 * keys, hidden]] as const]
        : [
            ['self_attn.q_proj', [queries, hidden]] as const,
            ['self_attn.k_proj', [keys, hidden]] as const,
            ['self_attn.v_proj', [keys, hidden]] as const,
          ]),
      ['self_attn.o_proj', [hidden, queries]],
      ...norms(normed, 'self_attn.q_norm', width(config.heads)),
      ...norms(normed, 'self_attn.k_norm', width(config.kvHeads)),
      ['post_attention_layernorm', [hidden]],
      ...norms(before && after, 'pre_feedforward_layernorm'),
      ...norms(after, 'post_feedforward_layernorm'),
      ...(config.fused
        ? [['mlp.gate_up_proj', [2 * ffn, hidden]] as const]
        : [['mlp.gate_proj', [ffn, hidden]] as const, ['mlp.up_proj', [ffn, hidden]] as const]),
      ['mlp.down_proj', [hidden, ffn]],
    ]
    for (const [name, shape] of layer) {
      shapes.set(`model.layers.${i}.${name}.weight`, shape)
      const biased = config.biases.includes(name.split('.').at(-1)!)
      if (biased) shapes.set(`model.layers.${i}.${name}.bias`, shape.slice(0, 1))
    }
  }
  shapes.set('model.norm.weight', [hidden])
  if (!config.tiedHead) shapes.set('lm_head.weight', [vocab, hidden])
  return shapes
}

/** Element types that weights are computed from. */
const floats: Readonly<Record<string, BlockType>> = { F32: 'f32', F16: 'f16', BF16: 'bf16' }

/** A weight's type as its rows are unpacked by. @throws ModelError for one that no weight may have */
export function storedType(type: WeightType): BlockType {
  const found = floats[type] ?? (isBlocks(type) ? type : undefined)
  if (!found) throw new ModelError(`weights of type ${type} are not supported`)
  return found
}

/** Whether a weight is stored in ggml's blocks. */
export const isBlocks = (type: WeightType): type is Exclude<BlockType, 'f32' | 'f16' | 'bf16'> =>
  Object.hasOwn(blockTypes, type)

/**
 * Holds the tensors of a checkpoint, one file after another, against a config: all weights it calls for must be there,
 * each in one file, with its shape and in F32, F16 or BF16.
 */
export class CheckpointCheck {
  readonly #expected: Map<string, readonly number[]>
  readonly #files = new Map<string, string>()

  constructor(config: DecoderConfig) {
    this.#expected = weightShapes(config)
  }

  /** Whether the config calls for this tensor of `file`. @throws ModelError when it cannot be used */
  add(file: string, { name, shape, dtype }: TensorInfo): boolean {
    const twice = this.#files.get(name)
    if (twice !== undefined)
      throw new ModelError(`${file}: ${name} is also in ${twice}; each weight must be in one file`)
    this.#files.set(name, file)
    const expected = this.#expected.get(name)
    if (!expected) return false
    if (expected.join() !== shape.join()) {
      throw new ModelError(
        `${file}: ${name} has shape [${shape.join(',')}], config.json calls for [${expected.join(',')}]`,
      )
    }
    if (!['F32', 'F16', 'BF16'].includes(dtype))
      throw new ModelError(`${file}: ${name} is ${dtype}; expected F32, F16 or BF16`)
    return true
  }

  /** After the last file. @throws ModelError when `source`, which names the model, lacks a weight */
  finish(source: string): void {
    const absent = [...this.#expected.keys()].filter((name) => !this.#files.has(name))
    if (absent.length > 0)
      throw new ModelError(`${source} lacks ${absent.length} of ${this.#expected.size} weights, first ${absent[0]}`)
  }
}
