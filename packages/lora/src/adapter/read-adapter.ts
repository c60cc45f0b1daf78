// Adapters read from folders, of whatever make: PEFT's and MLX's are told apart by what is there.
import { copyFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readTextIfThere } from '@jora/data'
import type { DecoderConfig } from '@jora/llama'
import type { Device } from '@jora/tensor'
import { writeFolderAtomic } from '@jora/tensor/files'
import { openSafetensors } from '@jora/tensor/safetensors'
import type { Adapter } from './adapter'
import { ConfigError } from '../settings/config-error'
import type { LoraConfig } from '../settings/lora-config'
import { loftqFile } from './loftq/name'
import { isMlxConfig, mlxAdapter, mlxWeightsFile, parseMlxConfig } from './mlx'
import { adapterWeightsFile, peftAdapter, uploadAdapter, writtenEntries, type PeftAdapter } from './peft/peft'
import { adapterConfigFile, parseAdapterJson, parsePeftConfig, peftConfig, type PeftInfo } from './peft/peft-config'
import { writePeftFiles } from './peft/peft-folder'
import { readPrompt } from './prompt-file'

/** Files in which an adapter's tensors are not read, and what makes them readable. */
const unreadable: Readonly<Record<string, string>> = {
  'adapter_model.bin':
    'a pickle, which may run any code when it is read: save it again as adapter_model.safetensors, in Python with safetensors.torch.save_file(torch.load("adapter_model.bin", map_location="cpu", weights_only=True), "adapter_model.safetensors")',
  'adapters.npz':
    'of an early mlx-lm: save it again as adapters.safetensors, in Python with mx.save_safetensors("adapters.safetensors", mx.load("adapters.npz"))',
}

async function checkWeights(folder: string, file: string): Promise<string> {
  const path = join(folder, file)
  const names = await readdir(folder)
  const other = Object.keys(unreadable).find((name) => names.includes(name))
  if (other !== undefined && !names.includes(file))
    throw new ConfigError(`${join(folder, other)} is ${unreadable[other]}`)
  return path
}

/** The adapter_config.json of `folder`, parsed. @throws ConfigError, saying what is there instead */
async function readAdapterJson(folder: string): Promise<{ readonly json: unknown; readonly path: string }> {
  const path = join(folder, adapterConfigFile)
  const text = await readTextIfThere(path).catch((error: Error) => {
    throw new ConfigError(error.message)
  })
  if (text === undefined) {
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      const isFile = error.code === 'ENOTDIR'
      throw new ConfigError(
        isFile ? `${folder} is a file; expected the adapter's folder` : `adapter folder ${folder} does not exist`,
      )
    })
    const gguf = entries.find(({ name }) => name.endsWith('.gguf'))
    const folders = entries.filter((entry) => entry.isDirectory())
    const inside: string[] = []
    for (const { name } of folders)
      if ((await readdir(join(folder, name)).catch(() => [] as string[])).includes(adapterConfigFile))
        inside.push(join(folder, name))
    const hint =
      inside.length > 0
        ? `; did you mean ${inside.join(' or ')}?`
        : gguf
          ? `; ${gguf.name} is llama.cpp's format, from which adapters are not read`
          : ''
    throw new ConfigError(`${path} does not exist: ${folder} has no PEFT adapter and no MLX adapter${hint}`)
  }
  return { json: parseAdapterJson(text, path), path }
}

/** The settings of the PEFT adapter in `folder`; undefined for one of MLX. @throws ConfigError as {@link readAdapter} */
export async function readAdapterConfig(folder: string): Promise<LoraConfig | undefined> {
  const { json, path } = await readAdapterJson(folder)
  return isMlxConfig(json) ? undefined : parsePeftConfig(json, path)
}

/**
 * Reads the LoRA adapter in `folder` for `model` on the host, without a device. Its files may be PEFT's
 * (adapter_model.safetensors) or MLX's (adapters.safetensors); their adapter_config.json decides which.
 * @throws ConfigError | SafetensorsError naming the file and the key or tensor at fault
 */
export async function readAdapter(folder: string, model: DecoderConfig): Promise<PeftAdapter> {
  const { json, path } = await readAdapterJson(folder)
  if (isMlxConfig(json)) {
    const config = parseMlxConfig(json, path)
    const weights = await checkWeights(folder, mlxWeightsFile)
    await using file = await openSafetensors(weights)
    return await mlxAdapter(config, file, weights, model) // awaited before the file closes
  }
  const config = parsePeftConfig(json, path)
  const weights = await checkWeights(folder, adapterWeightsFile)
  await using file = await openSafetensors(weights)
  return await peftAdapter(config, file, weights, model)
}

/**
 * As {@link readAdapter}, with the adapter as tensors on a device (the default one when absent).
 * @throws as {@link readAdapter}
 */
export async function loadAdapter(
  folder: string,
  model: DecoderConfig,
  device?: Device,
): Promise<Omit<PeftAdapter, 'adapter'> & { readonly adapter: Adapter; readonly config: LoraConfig }> {
  const { adapter, ...rest } = await readAdapter(folder, model)
  return { adapter: uploadAdapter(adapter, rest.config, device), ...rest }
}

const copyIfThere = (from: string, to: string): Promise<void> =>
  copyFile(from, to).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })

/** What {@link importAdapter} reads, and where it writes. */
export interface ImportAdapterOptions {
  /** Folder of an adapter that {@link readAdapter} reads. */
  readonly inputDir: string
  /** Configuration of the model it is for. */
  readonly model: DecoderConfig
  /** Folder to make; it must not exist, or be empty. */
  readonly outputDir: string
  /** Hub id or folder of the base model; what the adapter names when absent. */
  readonly baseModel?: string | undefined
  /** Text of a README.md to put beside it. */
  readonly card?: string | undefined
}

/**
 * Writes an adapter of any format that {@link readAdapter} reads as a PEFT adapter. `outputDir` appears whole or not at
 * all.
 * @throws as {@link readAdapter}, and ConfigError for a folder that cannot be used
 */
export async function importAdapter({
  inputDir,
  model,
  outputDir,
  baseModel,
  card,
}: ImportAdapterOptions): Promise<PeftAdapter> {
  const present = await readdir(outputDir).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return []
    throw new ConfigError(`output directory ${outputDir} cannot be used: ${error.message}`)
  })
  if (present.length > 0)
    throw new ConfigError(`output directory ${outputDir} is not empty (it has ${present[0]}); choose another`)
  const [read, prompt] = [await readAdapter(inputDir, model), await readPrompt(inputDir)]
  const info: PeftInfo = { baseModel: baseModel ?? read.baseModel ?? '', revision: read.revision, kept: read.kept }
  const fill = async (folder: string) => {
    const entries = writtenEntries(read.adapter, read.config)
    await writePeftFiles(folder, entries, peftConfig(read.config, Object.keys(read.adapter), info), { prompt })
    if (read.config.loftqConfig) await copyIfThere(join(inputDir, loftqFile), join(folder, loftqFile))
    if (card !== undefined) await writeFile(join(folder, 'README.md'), card)
  }
  await writeFolderAtomic(outputDir, fill, { onlyEmpty: true })
  return read
}
