// Element types against bytes made by numpy from the formats' definitions (tooling/reference/make_gguf_goldens.py).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeRows } from './pack'
import { decodeRows } from './unpack'

type Kind = 'f16' | 'bf16' | 'q8_0' | 'q4_0'
const kinds: Kind[] = ['f16', 'bf16', 'q8_0', 'q4_0']

/** Base64 of float32 values and of the bytes each type makes of them, with the values these stand for. */
const goldens = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../test/goldens/gguf-quants.json'), 'utf8'),
) as {
  cases: ({ name: string; x: string } & Record<Kind, { bytes: string; x: string }>)[]
}

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
const floatsOf = (text: string): Float32Array => new Float32Array(bytesOf(text).slice().buffer)

for (const { name, x, ...made } of goldens.cases) {
  for (const kind of kinds) {
    test(`${kind} of ${name}`, () => {
      const bytes = encodeRows(floatsOf(x), kind)
      expect(Buffer.from(bytes).equals(bytesOf(made[kind].bytes))).toBe(true)
      // −0 is 0: the sign of a zero times a scale is nobody's concern.
      expect([...decodeRows(bytes, kind)].map((v) => v + 0)).toEqual([...floatsOf(made[kind].x)].map((v) => v + 0))
    })
  }
}

test('f32 stays as it is', () => {
  const values = Float32Array.from({ length: 64 }, (_, i) => Math.sin(i))
  expect(decodeRows(encodeRows(values, 'f32'), 'f32')).toEqual(values)
})

describe('what a type cannot hold is an error', () => {
  const block = (value: number) => new Float32Array(32).fill(1).fill(value, 7, 8)
  test.each([
    ['f16', 70_000, /70000 is past the range of F16/],
    ['q8_0', 1e7, /is past the range of F16/],
    ['q4_0', -1e6, /is past the range of F16/],
    ['q8_0', NaN, /NaN cannot be quantised/],
    ['q8_0', Infinity, /Infinity cannot be quantised/],
    ['q4_0', -Infinity, /-Infinity cannot be quantised/],
    ['q4_0', NaN, /NaN cannot be quantised/],
  ] as const)('%s of %d', (kind, value, message) => {
    expect(() => encodeRows(block(value), kind)).toThrow(message)
  })
})
