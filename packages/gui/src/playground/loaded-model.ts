// The model that the playground holds: base and tuned decoder on one device, with their compiled programs.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { loadTokenizer, type Tokenizer } from '@jora/data'
import { Generator, loadModel, type Decoder } from '@jora/llama'
import { chooseDType, loadAdapter, loraLinear } from '@jora/lora'
import { openDevice } from '@jora/shard/open'
import { disposeTree, setDefaultDevice, type Device } from '@jora/tensor'
import type { Side } from '../api'
import type { Ask } from './messages'

type Wanted = Pick<Ask, 'modelDir' | 'adapterDir' | 'device'>

const timeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0

/** Changes when another model, adapter or device is wanted, or the adapter was trained on. */
export const keyOf = async ({ modelDir, adapterDir, device = 'auto' }: Wanted): Promise<string> =>
  [
    device,
    modelDir,
    await timeOf(join(modelDir, 'config.json')),
    adapterDir,
    adapterDir && (await timeOf(join(adapterDir, 'adapter_model.safetensors'))),
  ].join('\n')

export class LoadedModel {
  private constructor(
    readonly key: string,
    readonly device: Device,
    readonly tokenizer: Tokenizer,
    readonly stopIds: readonly number[],
    readonly generators: Readonly<Partial<Record<Side, Generator>>>,
    readonly dispose: () => Promise<void>,
  ) {}

  /** @throws Error of the library: files that are missing or do not fit each other */
  static async open(key: string, { modelDir, adapterDir, device: name = 'auto' }: Wanted): Promise<LoadedModel> {
    const device = await openDevice(name)
    try {
      const loaded = await loadModel(modelDir, { device })
      const tokenizer = await loadTokenizer(modelDir)
      const base: Decoder = { ...loaded, dtype: await chooseDType('auto', device, loaded.weights) }
      const tuned = adapterDir === null ? undefined : await loadAdapter(adapterDir, base.config, device)
      const generators = {
        base: new Generator(base, device),
        ...(tuned && { tuned: new Generator({ ...base, linear: loraLinear(tuned.adapter, tuned.config) }, device) }),
      }
      const stopIds = [
        ...new Set([...base.config.eosTokenIds, ...(tokenizer.eosId === undefined ? [] : [tokenizer.eosId])]),
      ]
      return new LoadedModel(key, device, tokenizer, stopIds, generators, async () => {
        for (const generator of Object.values(generators)) generator.dispose()
        disposeTree([base.weights, tuned?.adapter ?? {}])
        setDefaultDevice(undefined)
        await device.close()
      })
    } catch (error) {
      setDefaultDevice(undefined)
      await device.close()
      throw error
    }
  }
}
