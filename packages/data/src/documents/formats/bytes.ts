// A file of a binary format, in memory as a whole: such formats are not read from front to back.

import { DatasetError } from '../../errors'

/** Larger files of these formats hold pictures, or are made to fill the memory. */
const mostBytes = 512 * 2 ** 20

/** @throws DatasetError when there is more than fits */
export async function wholeBytes(chunks: AsyncIterable<Uint8Array>, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = []
  let length = 0
  for await (const chunk of chunks) {
    length += chunk.length
    if (length > mostBytes)
      throw new DatasetError({ file, problem: 'is larger than the 512 MB that such a file may have; split it' })
    parts.push(chunk)
  }
  return joinBytes(parts, length)
}

/** Parts one after another, `length` bytes in all. */
export function joinBytes(parts: readonly Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(length)
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Whether bytes begin with these. */
export const beginsWith = (bytes: Uint8Array, start: readonly number[]): boolean =>
  start.every((byte, i) => bytes[i] === byte)
