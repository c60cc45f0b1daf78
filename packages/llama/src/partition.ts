// How the decoder's weights are split over a mesh: Megatron's plan (Shoeybi et al. 2019), as data beside the model.
import { P, ShardingError, type Mesh, type PartitionSpec } from '@jora/shard'
import type { DecoderConfig } from './config/config'

/** The axis of the mesh that weights are split over. */
export const modelAxis = 'model'

/**
 * Weight name → PartitionSpec of `[out, in]` or `[out]`, the first that matches: q, k, v, gate and up by column (what they
 * compute is split, their biases with it), o and down by row (what they read is), embedding and head by vocabulary; norms
 * and what is added to a whole sum not at all.
 */
export const partitionPlan: readonly (readonly [RegExp, PartitionSpec])[] = [
  [/\.(q|k|v|gate|up)_proj\.weight$/, P(modelAxis, null)],
  [/\.(o|down)_proj\.weight$/, P(null, modelAxis)],
  [/^(model\.embed_tokens|lm_head)\.weight$/, P(modelAxis, null)],
  [/\.(q|k|v|gate|up)_proj\.bias$/, P(modelAxis)],
  [/norm\.weight$|\.(o|down)_proj\.bias$/, P()],
]

/** Sizes of the model axis up to `most` that a model can be split over. */
export const modelSplits = (config: DecoderConfig, most: number): number[] =>
  Array.from({ length: most }, (_, i) => i + 1).filter((n) => hindrance(config, n) === undefined)

/** What keeps a model from being split over `n` devices. */
function hindrance({ heads, kvHeads, intermediateSize }: DecoderConfig, n: number): string | undefined {
  if (heads % n !== 0) return `${heads} attention heads`
  if (kvHeads % n !== 0 && n % kvHeads !== 0) return `${kvHeads} key-value heads`
  if (intermediateSize % n !== 0) return `an intermediate size of ${intermediateSize}`
  return undefined
}

/**
 * The specs of this model's weights on `mesh`, by name. Fewer kv heads than devices stay whole, and each device reads those of its
 * query heads; so does a vocabulary that does not divide.
 * @throws ShardingError when the model cannot be split over the mesh's model axis, naming the nearest sizes that can be
 */
export function weightSharding(config: DecoderConfig, mesh: Mesh): (name: string) => PartitionSpec {
  const n = mesh.along(modelAxis)
  const what = hindrance(config, n)
  if (what !== undefined) {
    const valid = modelSplits(config, 2 * n)
    const near = [valid.filter((v) => v < n).at(-1), valid.find((v) => v > n)].filter((v) => v !== undefined)
    throw new ShardingError(
      `mesh ${mesh}: a model with ${what} cannot be split over ${n} devices; use ${modelAxis}=${near.join(` or ${modelAxis}=`)}`,
    )
  }
  const whole = (name: string) =>
    (/\.(k|v)_proj\./.test(name) && config.kvHeads % n !== 0) ||
    (/^(model\.embed_tokens|lm_head)\./.test(name) && config.vocabSize % n !== 0)
  return (name) => (whole(name) ? P() : (partitionPlan.find(([pattern]) => pattern.test(name))?.[1] ?? P()))
}
