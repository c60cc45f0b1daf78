// The files of a Hugging Face model folder that stand beside its weights.
import { chmod, copyFile, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { companionFiles } from '@jora/llama'
import { isLicence } from '@jora/lora'
import type { FloatDType } from '@jora/tensor/safetensors'

/** Of a model folder's files, those that come along with its weights: tokenizer, generation settings, template, licence. */
export const companionsOf = (names: readonly string[]): string[] =>
  names.filter((name) => companionFiles.includes(name) || isLicence(name))

/** A copy that its owner may change, whatever the original was. */
async function copyWritable(from: string, to: string): Promise<void> {
  await copyFile(from, to)
  await chmod(to, 0o644)
}

/** Copies the {@link companionsOf} `from` (links followed); returns their names. */
export async function copyModelFiles(from: string, to: string): Promise<string[]> {
  const names = companionsOf(await readdir(from))
  for (const name of names) await copyWritable(join(from, name), join(to, name))
  return names
}

const torchNames: Readonly<Record<FloatDType, string>> = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }

/** Copies config.json, as it stands, or with the element type that the weights were given. */
export async function copyConfig(from: string, to: string, dtype: FloatDType | undefined): Promise<void> {
  if (dtype === undefined) return copyWritable(join(from, 'config.json'), join(to, 'config.json'))
  const config = JSON.parse(await readFile(join(from, 'config.json'), 'utf8')) as Record<string, unknown>
  // transformers 5 writes "dtype" where earlier versions wrote "torch_dtype"; both are read.
  const key = 'dtype' in config ? 'dtype' : 'torch_dtype'
  await writeFile(join(to, 'config.json'), `${JSON.stringify({ ...config, [key]: torchNames[dtype] }, null, 2)}\n`)
}
