// What tells one model from another: its configuration, and samples of its weights.
import { createHash } from 'node:crypto'
import type { SampledFile } from './checkpoint'

const [blocks, blockBytes] = [64, 16_384]

/** SHA-256 of the configuration and of each weight file's size and 64 blocks spread over it: quick, and tells models apart. */
export async function digestOf(config: string | Uint8Array, files: readonly SampledFile[]): Promise<string> {
  const hash = createHash('sha256').update(config)
  for (const file of files) {
    hash.update(String(file.length))
    for (let i = 0; i < blocks; i++)
      hash.update(await file.readFile(Math.floor((file.length * i) / blocks), blockBytes))
  }
  return hash.digest('hex')
}
