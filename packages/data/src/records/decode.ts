// Bytes of a file as text: UTF-8, or UTF-16 with a byte order mark; what is neither is named.

import { DatasetError } from '../errors'
import { unfitText } from './unfit-text'

/** The encodings whose byte order mark tells them, the mark first. */
const marks: readonly (readonly [mark: readonly number[], encoding: string])[] = [
  [[0xff, 0xfe], 'utf-16le'],
  [[0xfe, 0xff], 'utf-16be'],
]

/** Kinds of file that are taken for text now and then, by their first bytes. */
const kinds: readonly (readonly [start: string, problem: string])[] = [
  ['\u001f\u008b', 'is compressed with gzip; unpack it first'],
  ['(\u00b5/\u00fd', 'is compressed with zstd; unpack it first'],
  ['PK\u0003\u0004', 'is a zip archive, or an Office document; expected text'],
  ['PAR1', 'is a Parquet file; expected text: write its rows as JSONL'],
  ['%PDF-', 'is a PDF; expected text'],
  ['SQLite format 3', 'is an SQLite database; expected text'],
  [
    'version https://git-lfs.github.com/spec/',
    'is a Git LFS pointer, not the file: fetch it with `git lfs pull`, or download the file itself',
  ],
]

const startsWith = (bytes: Uint8Array, start: readonly number[]): boolean => start.every((byte, i) => bytes[i] === byte)

/** What a file that is not text is, by its first bytes; undefined when they say nothing. */
const kindOf = (bytes: Uint8Array): string | undefined =>
  kinds.find(([start]) =>
    startsWith(
      bytes,
      [...start].map((c) => c.charCodeAt(0)),
    ),
  )?.[1]

/** As an error says it of a text that stands for another file; undefined when the text's beginning says nothing. */
export const kindOfText = (text: string): string | undefined => kinds.find(([start]) => text.startsWith(start))?.[1]

/** Enough bytes to tell a mark or a kind by. */
const HEAD = 64

/**
 * Decodes a file as it is read, without its byte order mark.
 *
 * @param file what errors call it
 * @throws DatasetError when it is not text in UTF-8, or in UTF-16 with a byte order mark
 */
export async function* decodeText(chunks: AsyncIterable<Uint8Array>, file: string): AsyncGenerator<string> {
  let decoder: ReturnType<typeof decoderOf> | undefined
  let head: Uint8Array = new Uint8Array(0)
  let [offset, line] = [0, 1]
  const decode = (bytes: Uint8Array, stream: boolean): string => {
    decoder ??= decoderOf(bytes, file)
    try {
      const text = decoder.decode(bytes, { stream })
      offset += bytes.length
      line += text.split('\n').length - 1
      return text
    } catch {
      throw notText(decoder.encoding, bytes, { file, offset, line })
    }
  }
  for await (const chunk of chunks) {
    if (decoder === undefined && head.length + chunk.length < HEAD) {
      head = joined(head, chunk)
      continue
    }
    const bytes = head.length > 0 ? joined(head, chunk) : chunk
    head = new Uint8Array(0)
    const text = decode(bytes, true)
    if (text !== '') yield text
  }
  const text = decode(head, false)
  if (text !== '') yield text
}

/**
 * Decodes a whole file.
 *
 * @param advice what is to be done with a longer one
 * @throws DatasetError as decodeText does, when it holds NUL, or is longer than a string can be
 */
export async function decodeWhole(
  bytes: AsyncIterable<Uint8Array>,
  file: string,
  advice = 'split it',
): Promise<string> {
  let text = ''
  try {
    for await (const chunk of decodeText(bytes, file)) text += chunk
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new DatasetError({ file, problem: `is longer than the 512 MB that one text can have; ${advice}` })
  }
  const problem = unfitText(text)
  if (problem === undefined) return text
  const line = text.slice(0, text.indexOf('\0')).split('\n').length
  throw new DatasetError({ file, line, problem: `${problem}: it is binary, or UTF-16 without its byte order mark` })
}

function decoderOf(bytes: Uint8Array, file: string) {
  const problem = kindOf(bytes)
  if (problem !== undefined) throw new DatasetError({ file, problem })
  const encoding = marks.find(([mark]) => startsWith(bytes, mark))?.[1] ?? 'utf-8'
  return new TextDecoder(encoding, { fatal: true })
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const both = new Uint8Array(a.length + b.length)
  both.set(a)
  both.set(b, a.length)
  return both
}

/** Where the first bytes are that are no text. */
function notText(
  encoding: string,
  bytes: Uint8Array,
  { file, offset, line }: { file: string; offset: number; line: number },
): DatasetError {
  if (encoding !== 'utf-8') return new DatasetError({ file, problem: `is not ${encoding.toUpperCase()} text` })
  const at = firstBadByte(bytes)
  if (at === bytes.length)
    return new DatasetError({ file, problem: 'is not UTF-8 text: it ends within a character; is it whole?' })
  const badLine = line + bytes.subarray(0, at).filter((byte) => byte === 0x0a).length
  const byte = bytes[at]!.toString(16).padStart(2, '0')
  const problem = `is not UTF-8 text: byte 0x${byte} in line ${badLine}, offset ${offset + at}; save it as UTF-8`
  return new DatasetError({ file, problem })
}

/** The length of the longest beginning that is whole characters of UTF-8, found by halving. */
function firstBadByte(bytes: Uint8Array): number {
  const isText = (length: number, stream: boolean): boolean => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length), { stream })
      return true
    } catch {
      return false
    }
  }
  let [good, bad] = [0, bytes.length]
  while (good < bad) {
    const middle = Math.ceil((good + bad) / 2)
    if (isText(middle, true)) good = middle
    else bad = middle - 1
  }
  if (good === bytes.length) return good
  // The first bytes of a character that the next one breaks off.
  while (good > 0 && !isText(good, false)) good--
  return good
}
