// Float conversions: every half and bf16 pattern round-trips, and rounding is to nearest even.
import { expect, test } from 'vitest'
import { decodeFloats, encodeFloats } from './floats'

const patterns = Uint16Array.from({ length: 65_536 }, (_, i) => i)
const bytes = new Uint8Array(patterns.buffer)
const encode = (dtype: 'F16' | 'BF16', ...values: number[]) => [
  ...new Uint16Array(encodeFloats(Float32Array.from(values), dtype).buffer),
]

for (const dtype of ['F16', 'BF16'] as const) {
  test(`${dtype}: every pattern comes back, and halfway values go to the even one`, () => {
    const values = decodeFloats(bytes, dtype)
    const back = new Uint16Array(encodeFloats(values, dtype).buffer)
    const infinity = dtype === 'F16' ? 0x7c00 : 0x7f80
    patterns.forEach((pattern, i) => {
      if (Number.isNaN(values[i]!)) expect(back[i]! & 0x7fff).toBeGreaterThan(infinity)
      else if (back[i] !== pattern) throw new Error(`${pattern} became ${back[i]}`)
    })
    for (let p = 0; p + 1 < infinity - 1; p++) {
      const middle = (values[p]! + values[p + 1]!) / 2
      if (Math.fround(middle) !== middle) continue // between the smallest float32
      if (encode(dtype, middle)[0] !== (p % 2 === 0 ? p : p + 1))
        throw new Error(`the middle of ${p} and ${p + 1} is not even`)
    }
  })
}

test('known values', () => {
  expect(encode('F16', 1, -2, 65_504, 65_519, 2 ** -24, 2 ** -25, 2 ** -25 * 1.001, -0)).toEqual([
    0x3c00, 0xc000, 0x7bff, 0x7bff, 1, 0, 1, 0x8000,
  ])
  expect(encode('BF16', 1, -2, Infinity, -0, 1 + 2 ** -8, 1 + 3 * 2 ** -8)).toEqual([
    0x3f80, 0xc000, 0x7f80, 0x8000, 0x3f80, 0x3f82,
  ])
  expect(() => encode('F16', 65_520)).toThrow('65520 is past the range of F16')
  expect(() => encode('BF16', 3.4e38)).toThrow(/is past the range of BF16/)
  expect(encode('F16', Infinity, -Infinity)).toEqual([0x7c00, 0xfc00])
})

test('unaligned bytes are read as well', () => {
  const shifted = new Uint8Array(9)
  shifted.set(new Uint8Array(Float32Array.of(1.5, -3).buffer), 1)
  expect([...decodeFloats(shifted.subarray(1), 'F32')]).toEqual([1.5, -3])
})
