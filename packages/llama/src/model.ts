// The decoder of Llama (Touvron et al. 2023; Dubey et al. 2024) and of the families in config/families.ts, as a pure
// function of its weights. Families differ in their configuration only.
import * as t from '@jora/tensor'
import type { Tensor, Weight } from '@jora/tensor'
import type { DecoderConfig } from './config/config'
import { layerTables } from './config/rope-frequencies'
import { embedRows, matrixWith, scoresWith, type TokenRows } from './token-rows'

/** Weights by Hugging Face name, e.g. `model.layers.0.self_attn.q_proj.weight` `[out, in]`; matrices may be quantised. */
export type Weights = Readonly<Record<string, Weight>>

/** How a linear layer is applied, its bias apart: x `[…, in]` → `[…, out]`. `name` is the module's, e.g. `model.layers.0.self_attn.q_proj`. */
export type Linear = (name: string, x: Tensor, weight: Weight) => Tensor

/** x Wᵀ; weights of 16 bits or fewer are converted where they are used. */
export const denseLinear: Linear = (_name, x, weight) => t.linear(x, t.valuesOf(weight, floatOf(x)))

/** A model that can be run: its configuration, and its weights on a device. */
export interface Decoder {
  readonly config: DecoderConfig
  readonly weights: Weights
  /** Replaces the linear layers: where adapters come in (default {@link denseLinear}). */
  readonly linear?: Linear
  /** Rows in place of those of the embedding and of the head: where adapters train some tokens. */
  readonly tokenRows?: { readonly embedding?: TokenRows | undefined; readonly head?: TokenRows | undefined }
  /** Changes what the first layer reads, `[batch, seq, hiddenSize]`: noise while training. */
  readonly embedded?: (x: Tensor) => Tensor
  /** The dtype of activations (default f32). Statistics, attention scores and the loss are f32 in either case. */
  readonly dtype?: 'f32' | 'f16'
  /** Recompute each layer's activations in the backward pass instead of keeping them, or those of the first so many layers. */
  readonly checkpointLayers?: boolean | number
}

/** Keys and values of one layer, `[batch, kvHeads, capacity, headDim]` each. */
export interface LayerCache {
  readonly k: Tensor
  readonly v: Tensor
}

/** A batch of token sequences, right- or left-padded to one length. */
export interface DecoderInput {
  /** Token ids, i32 `[batch, seq]`. */
  readonly tokens: Tensor
  /** Position of each token, i32 `[batch or 1, seq]`; 0, 1, … when absent. */
  readonly positions?: Tensor
  /** Which keys each query sees; see `attention`. Causal when absent. */
  readonly visibility?: Tensor
  /** No query sees a key that is this many positions before it, or more; see `attention`. */
  readonly window?: number
  /**
   * Keys and values so far; the new ones are written at `start` (i32 scalar). Before them come those of `shared`, of one row,
   * `[1, kvHeads, columns, headDim]`, when there are any: all rows see them, and `visibility` counts columns from their first.
   */
  readonly cache?: {
    readonly layers: readonly LayerCache[]
    readonly start: Tensor
    readonly shared?: readonly LayerCache[]
  }
}

/** What {@link decode} returns. */
export interface DecoderOutput {
  /** What the head multiplies: last hidden states after the final norm, `[batch, seq, hiddenSize]` in the decoder's dtype. */
  readonly hidden: Tensor
  /** Keys and values of every layer: those of these tokens, or the whole updated cache when one was given. */
  readonly cache: readonly LayerCache[]
}

/**
 * Runs the decoder without its head: embedding, layers and final norm.
 * @throws Error naming a weight that is missing; TensorError for inputs of another shape or dtype
 */
export function decode(
  decoder: Decoder,
  { tokens, positions, visibility, window, cache }: DecoderInput,
): DecoderOutput {
  const { config, weights, linear = denseLinear, dtype = 'f32' } = decoder
  const { heads, kvHeads, headDim, rotaryDim, rmsNormEpsilon, queryKeyNorms } = config
  const [batch = 0, seq = 0] = tokens.shape
  const ropes = layerTables(config, positions ?? t.iota([1, seq], 1))
  const weight = (name: string): Weight => weights[name] ?? missing(name)
  const sights = new Map(config.windows.map((size) => [size, sightWithin(size, visibility, window)]))
  const act = config.activation === 'silu' ? t.silu : t.gelu

  function project(name: string, x: Tensor): Tensor {
    const y = linear(name, x, weight(`${name}.weight`))
    return config.biases.includes(name.split('.').at(-1)!)
      ? t.add(y, t.valuesOf(weight(`${name}.bias`), floatOf(y)))
      : y
  }

  function norm(name: string, x: Tensor): Tensor {
    const scale = t.valuesOf(weight(`${name}.weight`), 'f32')
    return t.rmsNorm(x, config.normOffset === 0 ? scale : t.add(scale, config.normOffset), rmsNormEpsilon)
  }

  /** By head, `[batch, count, seq, headDim]`. */
  const byHead = (x: Tensor, count: number) => t.transpose(t.reshape(x, [batch, seq, count, headDim]), [0, 2, 1, 3])

  /** Queries or keys by head, normalised and rotated to their positions. */
  function rotated(name: string, index: number, x: Tensor, count: number): Tensor {
    const wide = queryKeyNorms === 'width' ? norm(name, x) : x
    const split = t.reshape(wide, [batch, seq, count, headDim])
    const heads = t.transpose(queryKeyNorms === 'head' ? norm(name, split) : split, [0, 2, 1, 3])
    const rope = ropes[index]
    if (!rope) return heads
    if (rotaryDim === headDim) return t.rope(heads, rope.cos, rope.sin)
    const [turned, kept] = t.split(heads, [rotaryDim], 3)
    return t.concat([t.rope(turned!, rope.cos, rope.sin), kept!], 3)
  }

  /** What parts of one matrix compute, cut before the features of `bounds`, or matrices of their own. */
  const parts = (name: string, fused: string, bounds: readonly number[], own: readonly string[], x: Tensor) =>
    config.fused ? t.split(project(`${name}.${fused}`, x), bounds, 2) : own.map((part) => project(`${name}.${part}`, x))

  function selfAttention(name: string, index: number, x: Tensor): { out: Tensor; kv: LayerCache } {
    const bounds = [heads * headDim, (heads + kvHeads) * headDim]
    const [queries, keys, values] = parts(name, 'qkv_proj', bounds, ['q_proj', 'k_proj', 'v_proj'], x)
    const q = rotated(`${name}.q_norm`, index, queries!, heads)
    const newK = rotated(`${name}.k_norm`, index, keys!, kvHeads)
    const newV = byHead(values!, kvHeads)
    const past = cache?.layers[index]
    const write = (old: Tensor | undefined, part: Tensor) =>
      old && cache ? t.dynamicUpdateSlice(old, part, cache.start, 2) : part
    const kv = { k: write(past?.k, newK), v: write(past?.v, newV) }
    const common = cache?.shared?.[index]
    const mixed = t.attention(q, behind(common?.k, kv.k), behind(common?.v, kv.v), {
      scale: config.queryScale,
      softcap: config.attentionSoftcap,
      ...sights.get(config.windows[index]),
    })
    return {
      out: project(`${name}.o_proj`, t.reshape(t.transpose(mixed, [0, 2, 1, 3]), [batch, seq, heads * headDim])),
      kv,
    }
  }

  function mlp(name: string, x: Tensor): Tensor {
    const [gate, up] = parts(name, 'gate_up_proj', [config.intermediateSize], ['gate_proj', 'up_proj'], x)
    return project(`${name}.down_proj`, t.mul(act(gate!), up!))
  }

  const [before, after] = [config.norms !== 'after', config.norms !== 'before']
  const scaled = (y: Tensor) => (config.residualScale === 1 ? y : t.mul(y, config.residualScale))

  function layer(index: number, x: Tensor): { x: Tensor; kv: LayerCache } {
    const name = `model.layers.${index}`
    // Families with norms on the way out call the norm before the MLP otherwise: theirs after attention has its name.
    const beforeMlp = after ? 'pre_feedforward_layernorm' : 'post_attention_layernorm'
    const entering = (norms: string, y: Tensor) => (before ? norm(`${name}.${norms}`, y) : y)
    const leaving = (norms: string, y: Tensor) => scaled(after ? norm(`${name}.${norms}`, y) : y)
    const { out, kv } = t.scope(`layer ${index}/attention`, () => {
      const attended = selfAttention(`${name}.self_attn`, index, entering('input_layernorm', x))
      return { ...attended, out: leaving('post_attention_layernorm', attended.out) }
    })
    const mid = t.add(x, out)
    const fed = t.scope(`layer ${index}/mlp`, () =>
      leaving('post_feedforward_layernorm', mlp(`${name}.mlp`, entering(beforeMlp, mid))),
    )
    return { x: t.add(mid, fed), kv }
  }

  // Of the table, the rows that are read are converted or unpacked, no others.
  let x = t.gather(t.valuesOf(weight('model.embed_tokens.weight'), dtype), tokens)
  const own = decoder.tokenRows?.embedding
  if (own) x = embedRows(x, tokens, own, config.vocabSize)
  if (config.embeddingScale !== 1) x = t.mul(x, config.embeddingScale)
  if (decoder.embedded) x = decoder.embedded(x)
  const { checkpointLayers = false } = decoder
  const recomputed = typeof checkpointLayers === 'number' ? checkpointLayers : checkpointLayers ? config.layers : 0
  const layers: LayerCache[] = []
  for (let index = 0; index < config.layers; index++) {
    const run = (input: Tensor) => layer(index, input)
    const result =
      index < recomputed ? t.checkpoint(run as (x: Tensor) => { x: Tensor; kv: { k: Tensor; v: Tensor } })(x) : run(x)
    x = result.x
    layers.push(result.kv)
  }
  const hidden = norm('model.norm', x)
  // Scaled here, so that whatever multiplies by the head has scaled logits.
  return { hidden: config.logitScale === 1 ? hidden : t.mul(hidden, config.logitScale), cache: layers }
}

type Headed = Pick<Decoder, 'config' | 'weights' | 'tokenRows' | 'dtype'>

/** The matrix that is in the files. */
function headMatrix({ config, weights, dtype = 'f32' }: Headed): Tensor {
  const name = config.tiedHead ? 'model.embed_tokens.weight' : 'lm_head.weight'
  return t.valuesOf(weights[name] ?? missing(name), dtype)
}

/** The output matrix `[vocab, hidden]`: the embedding itself when the head is tied. */
export function headWeight(decoder: Headed): Tensor {
  const own = decoder.tokenRows?.head
  return own ? matrixWith(headMatrix(decoder), own) : headMatrix(decoder)
}

/** Scores of every token, f32 `[…, vocab]`, for hidden states `[…, hidden]` of {@link decode}. */
export function logits(decoder: Decoder, hidden: Tensor): Tensor {
  const own = decoder.tokenRows?.head
  const plain = t.cast(t.linear(hidden, headMatrix(decoder)), 'f32')
  const scores = own ? scoresWith(plain, hidden, own) : plain
  const cap = decoder.config.logitSoftcap
  return cap === undefined ? scores : t.mul(t.tanh(t.div(scores, cap)), cap)
}

/** The tokens of a batch that are learned. They are gathered before the head runs, so that others cost no logits. */
export interface LabelledRows {
  /**
   * Flat positions in `[batch · seq]` whose next token is learned, i32 `[rows]`. Or, i32 `[groups, rows]`: the batch is
   * cut into equal runs of rows, and positions count within a group's `[batch / groups · seq]`.
   */
  readonly labelRows: Tensor
  /** The token to predict at each row, i32 of the same shape; −1 in unused rows. */
  readonly labels: Tensor
}

/**
 * −log p of each labelled token, f32 `[rows]` or `[groups · rows]` (0 in unused rows). The head runs on the labelled
 * rows only.
 * @throws Error and TensorError as {@link decode} does
 */
export function tokenLosses(decoder: Decoder, input: DecoderInput, { labelRows, labels }: LabelledRows): Tensor {
  const { hidden } = decode(decoder, input)
  const { hiddenSize, logitSoftcap: softcap } = decoder.config
  const [groups] = labelRows.shape.length === 2 ? labelRows.shape : []
  const rows =
    groups === undefined
      ? t.gather(t.reshape(hidden, [-1, hiddenSize]), labelRows)
      : t.gather(t.reshape(hidden, [groups, -1, hiddenSize]), labelRows, 1, { batchDims: 1 })
  return t.scope('head', () =>
    t.linearCrossEntropy(t.reshape(rows, [-1, hiddenSize]), headWeight(decoder), t.reshape(labels, [-1]), { softcap }),
  )
}

/**
 * What the queries of a layer see when its window lets them see `size` positions. Along a branch of a context tree fewer
 * keys are between two tokens than positions, so that there the window is told by moving each query's first key.
 */
function sightWithin(
  size: number | undefined,
  visibility: Tensor | undefined,
  window: number | undefined,
): { visibility?: Tensor | undefined; window?: number | undefined } {
  if (size === undefined) return { visibility, window }
  if (!visibility) return { window: Math.min(size, window ?? size) }
  const column = (i: number) => t.sliceAxis(visibility, 2, i, i + 1)
  const [index, first, prefixEnd, branchStart] = [column(0), column(1), column(2), column(3)]
  // Where the window begins, were the branch to follow its prefix at once; within the branch it is counted from the query.
  const inBranch = t.sub(index, branchStart)
  const begin = t.where(t.lt(inBranch, size), t.add(t.add(prefixEnd, inBranch), 1 - size), t.add(index, 1 - size))
  return { window, visibility: t.concat([index, t.maximum(first, begin), prefixEnd, branchStart], 2) }
}

/** Each row's own columns behind those that all rows share. */
function behind(shared: Tensor | undefined, own: Tensor): Tensor {
  if (!shared) return own
  const everyRow = [own.shape[0]!, ...shared.shape.slice(1)]
  return t.concat([t.broadcastTo(shared, everyRow), own], 2)
}

const floatOf = (x: Tensor): 'f32' | 'f16' => (x.dtype === 'f16' ? 'f16' : 'f32')

function missing(name: string): never {
  throw new Error(`weight ${name} is missing`)
}
