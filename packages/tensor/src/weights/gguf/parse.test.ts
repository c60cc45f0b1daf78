// Headers of GGUF files: what is read, and what is refused by name.
import { describe, expect, test } from 'vitest'
import { parseGgufHeader } from './parse'

const text = new TextEncoder()

/** Little-endian values after one another: numbers are u32, bigints u64, strings with their length. */
function bytesOf(...values: (number | bigint | string)[]): Uint8Array {
  const parts = values.map((value) => {
    if (typeof value === 'string')
      return Buffer.concat([bytesOf(BigInt(text.encode(value).length)), text.encode(value)])
    const part = Buffer.alloc(typeof value === 'bigint' ? 8 : 4)
    if (typeof value === 'bigint') part.writeBigUInt64LE(value)
    else part.writeUInt32LE(value)
    return part
  })
  return new Uint8Array(Buffer.concat(parts))
}

const magic = 0x46554747
const file = (version: number, tensor: (number | bigint | string)[], data: number) => {
  const head = bytesOf(magic, version, 1n, 1n, 'general.architecture', 8, 'llama', ...tensor)
  const start = Math.ceil(head.length / 32) * 32
  const whole = new Uint8Array(start + data)
  whole.set(head)
  return whole
}
const parse = (bytes: Uint8Array) => parseGgufHeader(bytes, bytes.length, 'm.gguf')
const q8 = ['blk.0.attn_q.weight', 2, 64n, 2n, 8, 0n]

describe('a header', () => {
  test.each([2, 3])('of version %d', (version) => {
    const header = parse(file(version, q8, 160))!
    expect(header.metadata.get('general.architecture')?.value).toBe('llama')
    expect([...header.tensors.values()]).toEqual([
      { name: 'blk.0.attn_q.weight', type: 'q8_0', shape: [2, 64], offset: 0, bytes: 136 },
    ])
  })

  test('is asked for again when its end is not at hand', () => {
    const bytes = file(3, q8, 160)
    expect(parseGgufHeader(bytes.subarray(0, 40), bytes.length, 'm.gguf')).toBeUndefined()
  })

  test('does not need the padding behind its last tensor', () => {
    expect(parse(file(3, q8, 136))!.tensors.size).toBe(1)
  })
})

describe('is refused', () => {
  test('an array or a text that is larger than any model has, before it is read', () => {
    const claim = (type: number, ...rest: (number | bigint)[]) => {
      const head = bytesOf(magic, 3, 0n, 1n, 'k', type, ...rest)
      return () => parseGgufHeader(head, 2 ** 40, 'm.gguf')
    }
    expect(claim(9, 0, 2n ** 30n)).toThrow('m.gguf: k has 1073741824 values, more than the 16777216 that are read')
    expect(claim(8, 2n ** 30n)).toThrow('m.gguf: k has 1073741824 bytes, more than the 67108864 that are read')
  })

  test.each([
    ['another magic', bytesOf(0x12345678, 3), /m\.gguf: does not begin with "GGUF"/],
    ['version 1', bytesOf(magic, 1, 0), /is GGUF version 1, of 2023; expected 2 or 3/],
    ['big-endian', bytesOf(magic, 0x03000000), /is big-endian; expected a little-endian GGUF file/],
    ['a version to come', bytesOf(magic, 4), /is GGUF version 4; expected 2 or 3/],
    ['a tensor past the end', file(3, q8, 100), /attn_q\.weight ends at byte \d+, the file at \d+: the file is cut/],
    [
      'a known type',
      file(3, ['w', 1, 256n, 16, 0n], 300),
      /tensor w has element type IQ2_XXS; supported: f32, f16, q4_0/,
    ],
    [
      'an unknown type',
      file(3, ['w', 1, 256n, 99, 0n], 300),
      /tensor w has element type 99, which is unknown; supported/,
    ],
    ['rows of no whole blocks', file(3, ['w', 1, 40n, 8, 0n], 66), /rows of 40, no multiple of 32 as q8_0 calls for/],
    ['a gap', file(3, ['w', 1, 32n, 8, 32n], 66), /tensor w is at 32, expected 0/],
    ['more keys than bytes', bytesOf(magic, 3, 0n, 2n ** 60n), /number of metadata keys is \d+, past the file's end/],
    [
      'an alignment of 12',
      bytesOf(magic, 3, 0n, 1n, 'general.alignment', 4, 12),
      /general\.alignment is 12, expected a/,
    ],
  ])('%s', (_name, bytes, message) => {
    expect(() => parse(bytes)).toThrow(message)
  })
})
