// The decoder that an export of a model with an adapter must equal, before anything is rounded.
import type { Decoder, OpenModel } from '@jora/llama'
import { baseAsTrained, fittedWeight, loadAdapter, lowRankOf, readTaken, withAdapter } from '@jora/lora'
import { disposeTree, tensor, type Device, type Tensor } from '@jora/tensor'

/** A decoder in float32, and what releases its weights and its adapter. */
export interface Tuned {
  readonly decoder: Decoder
  dispose(): void
}

/**
 * The model with the adapter in `adapterDir`, if there is one, its positions as the adapter was trained on them. Of an adapter that LoftQ started the layers that it adapts are those
 * of its own base, as merges have them.
 * @throws as `loadAdapter` for a folder that cannot be used
 */
export async function tunedDecoder(model: OpenModel, adapterDir: string | undefined, device: Device): Promise<Tuned> {
  const trained = adapterDir === undefined ? model : await baseAsTrained(model, adapterDir)
  const base = await trained.decoder(device, 'f32')
  if (adapterDir === undefined) return { decoder: base, dispose: () => disposeTree(base.weights) }
  const { adapter, config } = await loadAdapter(adapterDir, model.config, device)
  const fitted: Record<string, Tensor> = {}
  const taken = await readTaken(adapterDir, model.config, config)
  if (config.loftqConfig)
    for (const module of Object.keys(lowRankOf(adapter))) {
      const values = await fittedWeight(model.weights, module, config, taken)
      const { shape } = model.weights.entries.get(`${module}.weight`)!
      if (values) fitted[`${module}.weight`] = tensor(values, { shape, device })
    }
  return {
    decoder: withAdapter({ ...base, weights: { ...base.weights, ...fitted } }, adapter, config),
    dispose: () => disposeTree([base.weights, fitted, adapter]),
  }
}
