// The small random BERT that tooling/reference/make_encoder_goldens.py made, as a folder.
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeSafetensors } from '@jora/tensor/safetensors'

interface Golden {
  texts: string[]
  config: Record<string, unknown>
  mostTokens: number
  tokenizer: unknown
  weights: Record<string, { shape: number[]; values: string }>
  ids: number[][]
  decoded: string[]
  vectors: string
  miniLm: { ids: number[][]; vectors: string }
}

/** Its files, texts, and their ids and vectors by transformers. */
export const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'goldens/encoder.json'), 'utf8')) as Golden

/** The numbers of a base64 text, f32. */
export const floats = (base64: string) => {
  const bytes = Buffer.from(base64, 'base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

/** Writes it into a folder. */
export async function writeTinyEncoder(folder: string): Promise<void> {
  await writeFile(join(folder, 'config.json'), JSON.stringify(golden.config))
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(golden.tokenizer))
  await writeFile(join(folder, 'sentence_bert_config.json'), JSON.stringify({ max_seq_length: golden.mostTokens }))
  const tensors = Object.entries(golden.weights).map(([name, { shape, values }]) => ({
    name,
    shape,
    dtype: 'F32' as const,
    data: new Uint8Array(floats(values).buffer),
  }))
  await writeSafetensors(join(folder, 'model.safetensors'), tensors)
}
