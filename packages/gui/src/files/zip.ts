// A zip of files as they are, written while it is read: weights do not compress, so nothing is.
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { Failure } from '../server/failure'

export interface ZipFile {
  /** In the zip, `/`-separated. */
  readonly name: string
  readonly path: string
}

/** Sizes are 32-bit: what is larger is fetched file by file. */
const limitBytes = 0xffff_ffff
/** Names are UTF-8; CRC and sizes follow the file. */
const flagBits = 0x0808

interface Entry {
  readonly name: Buffer
  readonly offset: number
  readonly date: number
  crc: number
  bytes: number
}

/** Date and time as MS-DOS has them. */
const dosDate = (date: Date): number =>
  (((Math.max(1980, date.getFullYear()) - 1980) << 25) |
    ((date.getMonth() + 1) << 21) |
    (date.getDate() << 16) |
    (date.getHours() << 11) |
    (date.getMinutes() << 5) |
    (date.getSeconds() >> 1)) >>>
  0

/** The fields that local headers and the directory share. */
function header(
  signature: number,
  version: readonly number[],
  { name, date, crc, bytes }: Entry,
  more: Buffer,
): Buffer {
  const fixed = Buffer.alloc(4 + 2 * version.length + 24)
  let at = fixed.writeUInt32LE(signature, 0)
  for (const part of [...version, flagBits, 0]) at = fixed.writeUInt16LE(part, at)
  for (const part of [date, crc, bytes, bytes]) at = fixed.writeUInt32LE(part, at)
  at = fixed.writeUInt16LE(name.byteLength, at)
  fixed.writeUInt16LE(0, at)
  return Buffer.concat([fixed, more, name])
}

/** @throws Failure before anything is written, when it would be too large */
export async function zipOf(files: readonly ZipFile[]): Promise<ReadableStream<Uint8Array>> {
  const found = await Promise.all(files.map(({ path }) => stat(path)))
  const total = found.reduce((sum, { size }) => sum + size, 0) + files.length * 1024
  if (total > limitBytes)
    throw new Failure(
      'too_large',
      'Together these files are larger than the 4 GB that a zip holds: download them one by one.',
    )
  const chunks = zipChunks(
    files,
    found.map(({ mtime }) => dosDate(mtime)),
  )
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await chunks.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await chunks.return(undefined)
    },
  })
}

async function* zipChunks(files: readonly ZipFile[], dates: readonly number[]): AsyncGenerator<Uint8Array, void> {
  const entries: Entry[] = []
  let offset = 0
  for (const [i, file] of files.entries()) {
    const entry: Entry = { name: Buffer.from(file.name), offset, date: dates[i]!, crc: 0, bytes: 0 }
    const local = header(0x04034b50, [20], { ...entry, crc: 0, bytes: 0 }, Buffer.alloc(0))
    yield local
    for await (const chunk of createReadStream(file.path) as AsyncIterable<Buffer>) {
      entry.crc = crc32(chunk, entry.crc)
      entry.bytes += chunk.byteLength
      yield chunk
    }
    const descriptor = Buffer.alloc(16)
    ;[0x08074b50, entry.crc, entry.bytes, entry.bytes].reduce((at, part) => descriptor.writeUInt32LE(part, at), 0)
    yield descriptor
    offset += local.byteLength + entry.bytes + descriptor.byteLength
    entries.push(entry)
  }
  const directoryAt = offset
  for (const entry of entries) {
    // No comment, first disk, no attributes; where the local header is.
    const more = Buffer.alloc(14)
    more.writeUInt32LE(entry.offset, 10)
    const listed = header(0x02014b50, [20, 20], entry, more)
    yield listed
    offset += listed.byteLength
  }
  const end = Buffer.alloc(22)
  end.writeUInt32LE(0x06054b50, 0)
  end.writeUInt16LE(entries.length, 8)
  end.writeUInt16LE(entries.length, 10)
  end.writeUInt32LE(offset - directoryAt, 12)
  end.writeUInt32LE(directoryAt, 16)
  yield end
}
