// Zip archives as Office and EPUB files are: their entries, unpacked one by one within bounds.

import { DatasetError } from '../../errors'
import { beginsWith, joinBytes, wholeBytes } from './bytes'

/** What is read of one archive may come to so much, unpacked: more text is a bomb. */
const mostUnpacked = 256 * 2 ** 20
const mostEntries = 100_000

interface Entry {
  method: number
  encrypted: boolean
  packed: number
  /** Where its own header is. */
  at: number
}

/** An open archive. */
export interface Zip {
  readonly names: readonly string[]
  /** The bytes of an entry; undefined where there is none of the name. */
  bytes(name: string): Promise<Uint8Array | undefined>
  /** As UTF-8, or UTF-16 with a byte order mark. */
  text(name: string): Promise<string | undefined>
}

/** Office files with a password, and those of its older formats, are OLE containers. */
const OLE = [0xd0, 0xcf, 0x11, 0xe0]

/**
 * Opens an archive and reads its table of contents; nothing is unpacked yet.
 *
 * @throws DatasetError naming what is wrong with it: no archive, encrypted, cut off, too much in it
 */
export async function openZip(chunks: AsyncIterable<Uint8Array>, file: string): Promise<Zip> {
  const bytes = await wholeBytes(chunks, file)
  const fail = (problem: string): never => {
    throw new DatasetError({ file, problem })
  }
  if (beginsWith(bytes, OLE))
    fail('is encrypted with a password, or of the format that Office had before 2007; save it anew without a password')
  if (!beginsWith(bytes, [0x50, 0x4b])) fail('is not a zip archive, as files of this kind are; it may be incomplete')
  const view = new DataView(bytes.buffer)
  const entries = directoryOf(bytes, view, fail)
  let unpacked = 0

  async function unpack(name: string): Promise<Uint8Array | undefined> {
    const entry = entries.get(name)
    if (entry === undefined) return undefined
    if (entry.encrypted) fail('is encrypted with a password; save it without one')
    if (entry.at + 30 > bytes.length || view.getUint32(entry.at, true) !== 0x04034b50)
      fail(`is damaged: no ${name} in it`)
    const from = entry.at + 30 + view.getUint16(entry.at + 26, true) + view.getUint16(entry.at + 28, true)
    const packed = bytes.subarray(from, from + entry.packed)
    if (packed.length < entry.packed) fail(`is damaged: ${name} is cut off`)
    if (entry.method !== 0 && entry.method !== 8) fail(`packs ${name} in a way that is not known (${entry.method})`)
    const parts: Uint8Array[] = []
    const pieces = entry.method === 0 ? [packed] : inflated(packed)
    let length = 0
    try {
      for await (const piece of pieces) {
        length += piece.length
        unpacked += piece.length
        if (unpacked > mostUnpacked) fail('unpacks to more than 256 MB of text: a zip bomb')
        parts.push(piece)
      }
    } catch (error) {
      if (error instanceof DatasetError) throw error
      fail(`is damaged: ${name} cannot be unpacked`)
    }
    return joinBytes(parts, length)
  }

  return {
    names: [...entries.keys()],
    bytes: unpack,
    async text(name) {
      const content = await unpack(name)
      if (content === undefined) return undefined
      const encoding = beginsWith(content, [0xff, 0xfe])
        ? 'utf-16le'
        : beginsWith(content, [0xfe, 0xff])
          ? 'utf-16be'
          : 'utf-8'
      return new TextDecoder(encoding).decode(content)
    },
  }
}

/** Pieces as they come out, so that too much is told before it is there. */
async function* inflated(packed: Uint8Array<ArrayBuffer>): AsyncGenerator<Uint8Array> {
  const reader = new Blob([packed]).stream().pipeThrough(new DecompressionStream('deflate-raw')).getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return
      yield value as Uint8Array
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

function directoryOf(bytes: Uint8Array, view: DataView, fail: (problem: string) => never): Map<string, Entry> {
  const least = Math.max(0, bytes.length - 65_557)
  let end = bytes.length - 22
  while (end >= least && view.getUint32(end, true) !== 0x06054b50) end--
  if (end < least) fail('is damaged: an archive without its end; is it whole?')
  const count = view.getUint16(end + 10, true)
  let at = view.getUint32(end + 16, true)
  if (count === 0xffff || at === 0xffffffff) fail(`holds more than ${mostEntries} files`)
  const entries = new Map<string, Entry>()
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== 0x02014b50)
      fail('is damaged: its table of contents is cut off')
    const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)]
    const [nameLength, extra, comment] = [28, 30, 32].map((offset) => view.getUint16(at + offset, true)) as [
      number,
      number,
      number,
    ]
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength))
    entries.set(name, {
      method,
      encrypted: (flags & 1) === 1,
      packed: view.getUint32(at + 20, true),
      at: view.getUint32(at + 42, true),
    })
    at += 46 + nameLength + extra + comment
  }
  return entries
}
