// Where an export is written: checked before the work is done.
import { open, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ConfigError } from '@jora/lora'
import { isStream } from '@jora/tensor/files'
import { magic } from '@jora/tensor/weights'

/**
 * @throws ConfigError when the folder of `path` is missing, `path` is a folder, or it is there and `overwrite` is not set;
 *   what is not a GGUF file is never overwritten. A device or pipe is written to.
 */
export async function checkOutputFile(path: string, overwrite: boolean): Promise<void> {
  const folder = await stat(dirname(path)).catch(() => undefined)
  if (!folder?.isDirectory()) throw new ConfigError(`output directory ${dirname(path)} does not exist`)
  const present = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new ConfigError(`output ${path} cannot be used: ${error.message}`)
  })
  if (!present) return
  if (isStream(path)) return
  if (present.isDirectory()) throw new ConfigError(`output ${path} is a folder, expected the name of a file`)
  if (!overwrite) throw new ConfigError(`output ${path} exists; choose another name, or overwrite it`)
  if (!(await isGguf(path))) throw new ConfigError(`output ${path} exists and is not a GGUF file; choose another name`)
}

async function isGguf(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(4), 0, 4, 0)
    return bytesRead === 4 && buffer.readUInt32LE(0) === magic
  } finally {
    await file.close()
  }
}
