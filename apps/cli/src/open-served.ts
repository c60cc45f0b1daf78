// A base and any number of adapters for it, opened once: one copy of the base, one queue, an answerer for each name.
import { basename, resolve } from 'node:path'
import { stopIdsOf, type Tokenizer } from '@jora/data'
import { Engine, Generator, ModelError, type Adapt } from '@jora/llama'
import {
  adapterArgument,
  argumentLinear,
  checkBase,
  loadAdapter,
  LocalAnswerer,
  promptFor,
  type AdapterArgument,
} from '@jora/lora'
import { disposeTree, setDefaultDevice, type Device } from '@jora/tensor'
import { UsageError } from './errors'
import type { Io } from './io'
import { openDeviceFor, type DeviceValues } from './open-device'
import { openBase } from './open-model'
import { styleFor } from './ui/style'

export interface NamedAdapter {
  readonly name: string
  readonly dir: string
}

export interface Served {
  readonly device: Device
  readonly tokenizer: Tokenizer
  /** Adapters as they were given, then the base under its Hub id, or its folder's name. */
  readonly models: readonly { readonly name: string; readonly answerer: LocalAnswerer }[]
  dispose(): Promise<void>
}

/** @throws UsageError | ConfigError for a model, adapter or device that cannot be used, or names that are the same */
export async function openServed(
  values: DeviceValues & { readonly model: string; readonly adapters: readonly NamedAdapter[] },
  io: Io,
): Promise<Served> {
  const { model, adapters } = values
  await using opened = await openBase(model, io)
  const { dir: folder, id } = opened.ref
  const baseName = id ?? basename(resolve(folder))
  if (adapters.some(({ name }) => name === baseName))
    throw new UsageError(`an adapter is called ${baseName}, as its base is; name it with NAME=DIR`)
  for (const { dir } of adapters) await checkBase(dir, opened)
  const { tokenizer } = opened
  const device = await openDeviceFor(values, io)
  const loaded = await opened.decoder(device, values.dtype).catch((error: Error) => {
    throw error instanceof ModelError && error.message.startsWith('dtype ') ? new UsageError(error.message) : error
  })
  // Adapters are arguments of the programs: those of equal shapes share them.
  const adapt: Adapt = (adapter) => argumentLinear(adapter as AdapterArgument)
  const engine = new Engine(new Generator(loaded, device, adapt))
  const held: AdapterArgument[] = []
  const answererOf = async (dir: string | undefined): Promise<LocalAnswerer> => {
    const { template: prompt, note } = await promptFor({ adapter: dir, model: folder, tokenizer })
    if (note !== undefined) io.stderr.write(`${styleFor(io.stderr, io.env).yellow(`note: ${note}`)}\n`)
    const stopIds = stopIdsOf(prompt, tokenizer, loaded.config.eosTokenIds)
    if (dir === undefined) return new LocalAnswerer({ engine, tokenizer, prompt, stopIds })
    const { adapter, config } = await loadAdapter(dir, loaded.config, device)
    const argument = adapterArgument(adapter, config, device)
    held.push(argument)
    return new LocalAnswerer({ engine, tokenizer, prompt, stopIds, adapter: argument })
  }
  const models: { name: string; answerer: LocalAnswerer }[] = []
  for (const { name, dir } of adapters) models.push({ name, answerer: await answererOf(dir) })
  models.push({ name: baseName, answerer: await answererOf(undefined) })
  return {
    device,
    tokenizer,
    models,
    async dispose() {
      engine.dispose()
      disposeTree([held, loaded.weights])
      setDefaultDevice(undefined)
      await device.close()
    },
  }
}
