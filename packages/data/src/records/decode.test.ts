// Bytes as text: encodings with a mark, and files that are no text.

import { expect, test } from 'vitest'
import { decodeText } from './decode'

async function decode(bytes: Uint8Array, size = 5): Promise<string> {
  let text = ''
  async function* pieces() {
    for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size)
  }
  for await (const piece of decodeText(pieces(), 'f')) text += piece
  return text
}

const sample = 'Grüße, 東京 and 😀.\n'.repeat(20)
const utf8 = (text: string) => new TextEncoder().encode(text)
const utf16 = (text: string, littleEndian: boolean) => {
  const bytes = new DataView(new ArrayBuffer(text.length * 2))
  for (let i = 0; i < text.length; i++) bytes.setUint16(i * 2, text.charCodeAt(i), littleEndian)
  return new Uint8Array(bytes.buffer)
}

test.each([1, 3, 64, 1000])('UTF-8 and UTF-16 in pieces of %d bytes', async (size) => {
  expect(await decode(utf8(sample), size)).toBe(sample)
  expect(await decode(utf8(`\uFEFF${sample}`), size)).toBe(sample)
  for (const littleEndian of [true, false])
    expect(await decode(utf16(`\uFEFF${sample}`, littleEndian), size)).toBe(sample)
  expect(await decode(utf8('é'), size)).toBe('é')
  expect(await decode(new Uint8Array(0), size)).toBe('')
})

test('what is not UTF-8 is told with its byte and line', async () => {
  const latin = new Uint8Array([...utf8(`${'a\n'.repeat(70)}caf`), 0xe9, 0x20, 0x61])
  await expect(decode(latin, 1000)).rejects.toThrow(
    'f: is not UTF-8 text: byte 0xe9 in line 71, offset 143; save it as UTF-8',
  )
  await expect(decode(utf8('é').subarray(0, 1))).rejects.toThrow('it ends within a character')
  await expect(decode(utf16('\uFEFF\ud83d', true))).rejects.toThrow('f: is not UTF-16LE text')
})

test.each([
  [[0x1f, 0x8b, 8, 0], 'gzip'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'zstd'],
  [[...utf8('PK\u0003\u0004')], 'zip'],
  [[...utf8('PAR1abcd')], 'Parquet'],
  [[...utf8('%PDF-1.7')], 'PDF'],
  [[...utf8('version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n')], 'git lfs pull'],
])('a file that begins with %j is named', async (bytes, name) => {
  await expect(decode(Uint8Array.from(bytes))).rejects.toThrow(name)
})
