// importLlama2c: a checkpoint of karpathy/llama2.c as a model folder in Hugging Face layout.
import { open, readdir, readFile, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFolderAtomic, writeJsonAtomic } from '@jora/tensor/files'
import { writeSafetensors } from '@jora/tensor/safetensors'
import { ModelError, type DecoderConfig } from '../config/config'
import { llama2cHeaderBytes, parseLlama2cHeader, type Llama2cHeader, type Llama2cWeight } from './llama2c-header'
import { llama2cTokenizer } from './llama2c-tokenizer'

/** What {@link importLlama2c} reads, and where it writes. */
export interface ImportLlama2cOptions {
  /** The .bin file with the weights, of version 0 or 1. */
  readonly checkpoint: string
  /** Its tokenizer.bin; without one the folder has no tokenizer. */
  readonly tokenizer?: string | undefined
  /** Folder to make; it must not exist, or be empty. */
  readonly outputDir: string
  /** Called after each weight, with how many are written and how many there are. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** The folder that {@link importLlama2c} wrote. */
export interface ImportedLlama2c {
  readonly outputDir: string
  /** Names of the files in it, sorted. */
  readonly files: string[]
  readonly config: DecoderConfig
  /** Bytes of all weights. */
  readonly totalBytes: number
}

/** Bytes a read(2) takes at most. */
const maxReadBytes = 2 ** 29

async function readAt(file: FileHandle, begin: number, bytes: number, source: string): Promise<Uint8Array> {
  const data = new Uint8Array(bytes)
  for (let done = 0; done < bytes;) {
    const { bytesRead } = await file.read(data, done, Math.min(bytes - done, maxReadBytes), begin + done)
    if (bytesRead === 0) throw new ModelError(`${source} became shorter while it was read`)
    done += bytesRead
  }
  return data
}

/**
 * Rows in Hugging Face's order: of each head's rows 2j and 2j + 1, which llama2.c rotates together, one comes to row j, the
 * other to row j + headDim / 2.
 */
function splitPairs(rows: Uint8Array, { shape, pairedHeads }: Llama2cWeight): Uint8Array {
  if (pairedHeads === undefined) return rows
  const width = rows.length / shape[0]!
  const headDim = shape[0]! / pairedHeads
  const out = new Uint8Array(rows.length)
  for (let row = 0; row < shape[0]!; row++) {
    const [head, inHead] = [Math.floor(row / headDim), row % headDim]
    const to = head * headDim + (inHead % 2) * (headDim / 2) + Math.floor(inHead / 2)
    out.set(rows.subarray(row * width, (row + 1) * width), to * width)
  }
  return out
}

async function checkOutput(outputDir: string): Promise<void> {
  const present = await readdir(outputDir).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return []
    throw new ModelError(`output directory ${outputDir} cannot be used: ${error.message}`)
  })
  if (present.length > 0)
    throw new ModelError(`output directory ${outputDir} is not empty (it has ${present[0]}); choose another`)
}

const cannotRead = (path: string) => (error: NodeJS.ErrnoException) => {
  throw new ModelError(error.code === 'ENOENT' ? `${path} does not exist` : `${path} cannot be read: ${error.message}`)
}

async function readHeader(file: FileHandle, path: string): Promise<Llama2cHeader> {
  const info = await file.stat()
  if (!info.isFile()) throw new ModelError(`${path} is not a file`)
  const header = parseLlama2cHeader(await readAt(file, 0, Math.min(info.size, llama2cHeaderBytes), path), path)
  if (info.size !== header.fileBytes)
    throw new ModelError(
      `${path} has ${info.size} bytes, but its header (${header.config.layers} layers of width ${header.config.hiddenSize}, ${header.config.vocabSize} tokens) calls for ${header.fileBytes}: it is ${info.size < header.fileBytes ? 'cut off' : 'too long'}, or no llama2.c checkpoint`,
    )
  return header
}

/**
 * Writes the model in a llama2.c checkpoint as config.json, generation_config.json, model.safetensors (f32, streamed) and,
 * where a tokenizer.bin is given, tokenizer.json and tokenizer_config.json. `outputDir` appears whole or not at all.
 * @throws ModelError for files that are broken, of another version or of another model, and for a folder that cannot be used
 */
export async function importLlama2c(options: ImportLlama2cOptions): Promise<ImportedLlama2c> {
  const { checkpoint, tokenizer, outputDir, onProgress } = options
  await checkOutput(outputDir)
  await using file = await open(checkpoint, 'r').catch(cannotRead(checkpoint))
  const { json, config, weights } = await readHeader(file, checkpoint)
  const texts: Record<string, unknown> = {
    'config.json': json,
    // llama2.c ends a text at the mark with which the next would begin.
    'generation_config.json': { bos_token_id: 1, eos_token_id: [2, 1] },
  }
  if (tokenizer !== undefined) {
    const bytes = await readFile(tokenizer).catch(cannotRead(tokenizer))
    texts['tokenizer.json'] = llama2cTokenizer(bytes, config.vocabSize, tokenizer)
    texts['tokenizer_config.json'] = {
      add_bos_token: true,
      add_eos_token: false,
      bos_token: '<s>',
      clean_up_tokenization_spaces: false,
      eos_token: '</s>',
      legacy: false,
      model_max_length: config.maxPositions,
      pad_token: null,
      tokenizer_class: 'LlamaTokenizer',
      unk_token: '<unk>',
    }
  }
  const fill = async (folder: string) => {
    let done = 0
    const entries = weights.map((weight) => ({
      name: weight.name,
      dtype: 'F32' as const,
      shape: weight.shape,
      data: async () => {
        const rows = splitPairs(await readAt(file, weight.begin, weight.bytes, checkpoint), weight)
        onProgress?.(++done, weights.length)
        return rows
      },
    }))
    await writeSafetensors(join(folder, 'model.safetensors'), entries, { format: 'pt' })
    for (const [name, value] of Object.entries(texts)) await writeJsonAtomic(join(folder, name), value)
  }
  await writeFolderAtomic(outputDir, fill, { onlyEmpty: true })
  return {
    outputDir,
    files: [...Object.keys(texts), 'model.safetensors'].sort(),
    config,
    totalBytes: weights.reduce((n, { bytes }) => n + bytes, 0),
  }
}
