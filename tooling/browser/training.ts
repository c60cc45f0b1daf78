// Five LoRA steps on a Llama of stories260K's shape, the same in a page as in Node: weights and rows are formulas.
import { collate, deriveSeed, Random, type Sample } from '@jora/data'
import { modelFromBytes, parseConfig, weightShapes } from '@jora/llama'
import { initAdapter, initState, serializePeftAdapter, TrainingStep, type LoraConfig } from '@jora/lora'
import type { Device } from '@jora/tensor'
import { serializeSafetensors } from '@jora/tensor/safetensors'

const json = {
  model_type: 'llama',
  vocab_size: 512,
  hidden_size: 64,
  intermediate_size: 172,
  num_hidden_layers: 5,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  max_position_embeddings: 512,
  tie_word_embeddings: true,
}
const lora: LoraConfig = { r: 8, alpha: 16, dropout: 0.1, targetModules: ['q_proj', 'v_proj'], useRslora: false }
const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 }

/** model.safetensors: norms about 1, the rest in (−0.15, 0.15). */
function weightBytes(): Uint8Array {
  const entries = [...weightShapes(parseConfig(json))].map(([name, shape], i) => {
    const random = new Random(deriveSeed(1, i))
    const size = shape.reduce((a, b) => a * b, 1)
    const base = name.endsWith('norm.weight') ? 1 : 0
    const values = Float32Array.from({ length: size }, () => base + 0.3 * (random.below(2 ** 24) / 2 ** 24 - 0.5))
    return { name, dtype: 'F32' as const, shape, data: new Uint8Array(values.buffer) }
  })
  return serializeSafetensors(entries)
}

/** Rows of 20 to 51 ids, the last third of them learned. */
const samples: readonly Sample[] = Array.from({ length: 14 }, (_, row) => {
  const random = new Random(deriveSeed(2, row))
  const ids = Int32Array.from({ length: 20 + random.below(32) }, () => random.below(512))
  return { ids, labels: ids.map((id, i) => (3 * i < 2 * ids.length ? -100 : id)), row }
})

/** Rows of each micro-step of each step: one batch, or two whose gradients are added. */
const plan = [
  [[0, 1]],
  [
    [2, 3],
    [4, 5],
  ],
  [[6, 7]],
  [
    [8, 9],
    [10, 11],
  ],
  [[12, 13]],
]

export interface Outcome {
  readonly losses: readonly number[]
  readonly gradNorms: readonly number[]
  /** adapter_model.safetensors. */
  readonly adapter: Uint8Array
}

/** Trains on `device`, as a page would: from the bytes of a model to the bytes of an adapter. */
export async function train(device: Device): Promise<Outcome> {
  const weights = [{ name: 'model.safetensors', bytes: weightBytes() }]
  const model = await modelFromBytes({ config: json, weights }, { device })
  const stepper = new TrainingStep(model, { lora, adamw, maxGradNorm: 1 }, device)
  let state = initState(initAdapter(model.config, lora, 3, device))
  const [losses, gradNorms]: [number[], number[]] = [[], []]
  for (const [i, micro] of plan.entries()) {
    const batches = micro.map((rows) => collate(samples, rows, { padId: 0 }))
    const result = stepper.run(state, batches, { step: i + 1, learningRate: 5e-3, seed: 4 })
    state = result.state
    losses.push(await result.loss.item())
    gradNorms.push(await result.gradNorm.item())
  }
  stepper.dispose()
  const files = await serializePeftAdapter(state.adapter, lora, { baseModel: 'formula' })
  return { losses, gradNorms, adapter: files['adapter_model.safetensors'] }
}
