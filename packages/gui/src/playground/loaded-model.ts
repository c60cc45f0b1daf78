// The model that the playground holds: base and tuned answer from one device, with their compiled programs.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { PromptTemplate, Tokenizer } from '@jora/data'
import { openModel } from '@jora/llama'
import { openAnswerers, type LocalAnswerer, type OpenAnswerers } from '@jora/lora'
import { openDevice } from '@jora/shard/open'
import type { Device } from '@jora/tensor'
import type { Side } from '../api'
import type { Ask } from './messages'
import { Passages } from './passages'

type Wanted = Pick<Ask, 'modelDir' | 'adapterDir' | 'tunedDir' | 'device'>

const timeOf = async (path: string): Promise<number> => (await stat(path).catch(() => undefined))?.mtimeMs ?? 0

/** Changes when another model, adapter or device is wanted, or the adapter was trained on. */
export const keyOf = async ({ modelDir, adapterDir, tunedDir, device = 'auto' }: Wanted): Promise<string> =>
  [
    device,
    modelDir,
    await timeOf(join(modelDir, 'config.json')),
    adapterDir,
    adapterDir && (await timeOf(join(adapterDir, 'adapter_model.safetensors'))),
    tunedDir,
    tunedDir && (await timeOf(join(tunedDir, 'config.json'))),
  ].join('\n')

/** A model that was trained itself, beside its base. */
async function openTuned(folder: string, device: Device): Promise<OpenAnswerers> {
  await using model = await openModel(folder, { local: true })
  return await openAnswerers(model, { adapters: [undefined], device })
}

export class LoadedModel {
  private constructor(
    readonly key: string,
    readonly device: Device,
    readonly tokenizer: Tokenizer,
    readonly prompt: PromptTemplate,
    readonly answerers: Readonly<Partial<Record<Side, LocalAnswerer>>>,
    readonly passages: Passages,
    readonly dispose: () => Promise<void>,
  ) {}

  /** @throws Error of the library: files that are missing or do not fit each other */
  static async open(
    key: string,
    { modelDir, adapterDir, tunedDir, device: name = 'auto' }: Wanted,
  ): Promise<LoadedModel> {
    const device = await openDevice(name)
    try {
      await using model = await openModel(modelDir, { local: true })
      const { tokenizer } = model
      const { asked, dispose } = await openAnswerers(model, {
        adapters: [undefined, ...(adapterDir === null ? [] : [adapterDir])],
        promptOf: adapterDir ?? tunedDir,
        device,
      })
      const own = tunedDir === undefined ? undefined : await openTuned(tunedDir, device)
      const [base, tuned = own?.asked[0]] = asked
      const answerers = { base: base!.answerer, ...(tuned && { tuned: tuned.answerer }) }
      const passages = new Passages(device, tokenizer)
      return new LoadedModel(key, device, tokenizer, base!.prompt, answerers, passages, async () => {
        passages.dispose()
        own?.dispose()
        dispose()
        await device.close()
      })
    } catch (error) {
      await device.close()
      throw error
    }
  }
}
