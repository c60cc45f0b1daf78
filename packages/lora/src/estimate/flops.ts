// The arithmetic of a LoRA step: what its frozen weights and its attention cannot avoid.
import { weightShapes, type DecoderConfig } from '@jora/llama'

/** The arithmetic of a step, in floating-point operations; {@link flopsLegend} explains the letters. */
export const flopsFormula = '4·P·n + 6·L·d·b·s²'
/** The meaning of the letters in {@link flopsFormula}. */
export const flopsLegend =
  'P: weights of the linear layers and the head, n = b·s tokens (b rows of s), L: layers, d: heads × head size; ' +
  '2·P·n forward and 2·P·n for the gradients of activations, none for frozen weights; causal attention counted by half; ' +
  'what checkpointing recomputes is not counted'

/** Weights that every token is multiplied by. */
export function multipliedWeights(config: DecoderConfig): number {
  let count = 0
  for (const [name, [rows = 0, columns = 0]] of weightShapes(config))
    if (name.includes('_proj') || name === 'lm_head.weight') count += rows * columns
  return config.tiedHead ? count + config.vocabSize * config.hiddenSize : count
}

/**
 * Floating-point operations of a LoRA step by {@link flopsFormula}.
 * @param rows rows of all micro-steps together
 * @param seq tokens of a row
 */
export function stepFlops(config: DecoderConfig, rows: number, seq: number): number {
  const attention = config.layers * config.heads * config.headDim * rows * seq ** 2
  return 4 * multipliedWeights(config) * rows * seq + 6 * attention
}

/** Causal attention, half of the scores masked: QKᵀ and PV forward; five such products backward, scores again among them. */
export const attentionFlops = ({ heads, headDim }: DecoderConfig, rows: number, seq: number) => {
  const product = heads * headDim * rows * seq ** 2
  return { forward: 2 * product, backward: 5 * product }
}
