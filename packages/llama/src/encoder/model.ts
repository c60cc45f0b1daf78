// The encoder of BERT (Devlin et al. 2018), and how a sentence becomes one vector (Reimers & Gurevych 2019), as a pure function
// of its weights.
import * as t from '@jora/tensor'
import type { Tensor } from '@jora/tensor'
import type { EncoderConfig } from './config'

/** A sentence encoder: its configuration, and its weights on a device by their Hugging Face names, without `bert.`. */
export interface Encoder {
  readonly config: EncoderConfig
  readonly weights: Readonly<Record<string, Tensor>>
}

/** Shapes of the weights that a configuration calls for, by name. */
export function encoderShapes(config: EncoderConfig): ReadonlyMap<string, readonly number[]> {
  const { hiddenSize: width, intermediateSize: inner } = config
  const shapes = new Map<string, readonly number[]>()
  const norm = (name: string) => void shapes.set(`${name}.weight`, [width]).set(`${name}.bias`, [width])
  const dense = (name: string, out: number, from: number) =>
    void shapes.set(`${name}.weight`, [out, from]).set(`${name}.bias`, [out])
  shapes.set('embeddings.word_embeddings.weight', [config.vocabSize, width])
  shapes.set('embeddings.position_embeddings.weight', [config.positions, width])
  shapes.set('embeddings.token_type_embeddings.weight', [config.tokenTypes, width])
  norm('embeddings.LayerNorm')
  for (let i = 0; i < config.layers; i++) {
    const layer = `encoder.layer.${i}`
    for (const part of ['query', 'key', 'value']) dense(`${layer}.attention.self.${part}`, width, width)
    dense(`${layer}.attention.output.dense`, width, width)
    norm(`${layer}.attention.output.LayerNorm`)
    dense(`${layer}.intermediate.dense`, inner, width)
    dense(`${layer}.output.dense`, width, inner)
    norm(`${layer}.output.LayerNorm`)
  }
  return shapes
}

/**
 * Hidden states of the last layer, f32 `[batch, seq, hiddenSize]`. Every token sees all tokens of its row.
 * @param tokens ids, i32 `[batch, seq]`, padded on the right
 * @param lengths tokens of each row that are none of the padding, i32 `[batch]`
 */
export function encode({ config, weights }: Encoder, tokens: Tensor, lengths: Tensor): Tensor {
  const { heads, hiddenSize: width, epsilon, activation } = config
  const [batch = 0, seq = 0] = tokens.shape
  const weight = (name: string): Tensor => t.cast(weights[name] ?? missing(name), 'f32')
  const dense = (name: string, x: Tensor) => t.add(t.linear(x, weight(`${name}.weight`)), weight(`${name}.bias`))
  const norm = (name: string, x: Tensor): Tensor => {
    const centred = t.sub(x, t.mean(x, { axis: -1, keepDims: true }))
    const variance = t.mean(t.square(centred), { axis: -1, keepDims: true })
    const unit = t.mul(centred, t.rsqrt(t.add(variance, epsilon)))
    return t.add(t.mul(unit, weight(`${name}.weight`)), weight(`${name}.bias`))
  }
  const act = { gelu: t.geluErf, gelu_new: t.gelu, relu: (x: Tensor) => t.maximum(x, 0) }[activation]
  // Added to scores: nothing where there is a token, and so much where there is none that it weighs nothing.
  const mask = t.mul(t.cast(isPadding(lengths, seq), 'f32'), -1e9)
  const scoreMask = t.reshape(mask, [batch, 1, 1, seq])

  function attention(name: string, x: Tensor): Tensor {
    const byHead = (part: string) =>
      t.transpose(t.reshape(dense(`${name}.self.${part}`, x), [batch, seq, heads, width / heads]), [0, 2, 1, 3])
    const [q, k, v] = [byHead('query'), byHead('key'), byHead('value')]
    const scores = t.mul(t.dot(q, k, { transposeB: true }), Math.sqrt(heads / width))
    const mixed = t.dot(t.softmax(t.add(scores, scoreMask)), v)
    return dense(`${name}.output.dense`, t.reshape(t.transpose(mixed, [0, 2, 1, 3]), [batch, seq, width]))
  }

  // All tokens are of the first type: one sentence, no pairs.
  const places = t.sliceAxis(weight('embeddings.position_embeddings.weight'), 0, 0, seq)
  const type = t.sliceAxis(weight('embeddings.token_type_embeddings.weight'), 0, 0, 1)
  const words = t.gather(
    weights['embeddings.word_embeddings.weight'] ?? missing('embeddings.word_embeddings.weight'),
    tokens,
  )
  let x = norm('embeddings.LayerNorm', t.add(t.add(t.cast(words, 'f32'), places), type))
  for (let i = 0; i < config.layers; i++) {
    const name = `encoder.layer.${i}`
    const attended = norm(`${name}.attention.output.LayerNorm`, t.add(x, attention(`${name}.attention`, x)))
    const fed = dense(`${name}.output.dense`, act(dense(`${name}.intermediate.dense`, attended)))
    x = norm(`${name}.output.LayerNorm`, t.add(attended, fed))
  }
  return x
}

/**
 * One vector of length 1 for each row, f32 `[batch, hiddenSize]`: the mean of its tokens' hidden states, or that of its first.
 * Parameters are those of {@link encode}.
 */
export function embed(encoder: Encoder, tokens: Tensor, lengths: Tensor): Tensor {
  const hidden = encode(encoder, tokens, lengths)
  const [batch = 0, seq = 0] = tokens.shape
  let pooled: Tensor
  if (encoder.config.pooling === 'cls') pooled = t.reshape(t.sliceAxis(hidden, 1, 0, 1), [batch, -1])
  else {
    const counted = t.reshape(t.sub(1, t.cast(isPadding(lengths, seq), 'f32')), [batch, seq, 1])
    pooled = t.div(t.sum(t.mul(hidden, counted), { axis: 1 }), t.reshape(t.cast(lengths, 'f32'), [batch, 1]))
  }
  const length = t.sqrt(t.sum(t.square(pooled), { axis: -1, keepDims: true }))
  return t.div(pooled, t.maximum(length, 1e-12))
}

/** Whether a place of a row is behind its tokens, bool `[batch, seq]`. */
const isPadding = (lengths: Tensor, seq: number): Tensor => t.le(t.reshape(lengths, [-1, 1]), t.iota([1, seq], 1))

function missing(name: string): never {
  throw new Error(`weight ${name} is missing`)
}
