// What an adapter's folder says of a base that LoftQ quantised anew: loftq_base.safetensors, which PEFT passes over.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { DecoderConfig, OpenModel } from '@jora/llama'
import { openSafetensors } from '@jora/tensor/safetensors'
import type { WeightSource } from '@jora/tensor/weights'
import { ConfigError } from '../../settings/config-error'
import type { LoraConfig } from '../../settings/lora-config'
import { lowRankOf } from '../adapter'
import type { LowRankArrays } from '../host'
import { adapterArrays } from '../peft/peft'
import { readAdapterConfig } from '../read-adapter'
import { adaptedModules } from '../target-modules'
import { fittedSource, quantisationOf } from './base'
import { loftqFile } from './name'

/** The settings of an adapter's low-rank part alone. */
const lowRankConfig = ({
  modulesToSave: _saved,
  ensureWeightTying: _tied,
  trainableTokenIndices: _tokens,
  ...config
}: LoraConfig) => config

/** What is taken from a model's weights before they are quantised for the adapter in `folder`; undefined where nothing is. */
export async function readTaken(
  folder: string,
  model: DecoderConfig,
  config: LoraConfig,
): Promise<LowRankArrays | undefined> {
  const path = join(folder, loftqFile)
  const isThere = await stat(path).catch(() => undefined)
  if (!config.loftqConfig || !isThere) return undefined
  await using file = await openSafetensors(path)
  const named = [...file.tensors.keys()]
  const modules = adaptedModules(model, config).filter(({ name }) =>
    named.some((tensor) => tensor.includes(`${name}.`)),
  )
  return lowRankOf(await adapterArrays(file, path, modules, lowRankConfig(config), model))
}

/**
 * The weights that the base of the adapter in `folder` is quantised from; undefined where they are the model's own.
 * @throws ConfigError when the adapter was started by LoftQ and the model is not quantised as its base is
 */
export async function baseWeights(
  folder: string,
  model: Pick<OpenModel, 'config' | 'weights' | 'quantize' | 'ref'>,
): Promise<WeightSource | undefined> {
  const config = await readAdapterConfig(folder)
  if (!config?.loftqConfig) return undefined
  const wanted = quantisationOf(config.loftqConfig)
  if (model.quantize !== wanted)
    throw new ConfigError(
      `${folder} was started by LoftQ, and belongs to a base in ${config.loftqConfig.bits} bits: open ${model.ref.name} with quantize ${wanted} (--quantize ${wanted}), or merge the adapter`,
    )
  const taken = await readTaken(folder, model.config, config)
  return taken && fittedSource(model.weights, taken, config)
}
