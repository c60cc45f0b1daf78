// The CPU device's thread unpacks quantised weights to the same bits as their definition gives, whatever their layout.
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { heldBytes, hold } from '../src/backend-onnx/held.mjs'
import { unpackAll } from '../src/backend-onnx/unpack.mjs'
import { codebooks } from '../src/ir/ops/quantised'

const noise = (count: number, seed: number): number[] =>
  Array.from({ length: count }, (_, i) => (Math.imul(i + 1, 2654435761) ^ (seed * 40503)) >>> 8)

interface Case {
  readonly bits: 4 | 8
  readonly group: number
  readonly hasMins?: true
  readonly codebook?: readonly number[]
}

const [rows, columns] = [12, 256]

const weightOf = ({ bits, group, hasMins, codebook }: Case, from = 0, count = rows) => {
  const floats = (seed: number) =>
    Float32Array.from(noise((rows * columns) / group, seed), (n) => (n % 4001) / 1000 - 2)
  return {
    codes: Uint8Array.from(noise((rows * columns * bits) / 8, bits + group)),
    scales: floats(1),
    mins: hasMins ? floats(2) : undefined,
    bits,
    codebook,
    from,
    dims: [count, columns],
  }
}

/** Elements one by one, each step rounded to f32. */
function defined({ codes, scales, mins, bits, codebook, from, dims }: ReturnType<typeof weightOf>): Float32Array {
  const group = (rows * columns) / scales.length
  return Float32Array.from({ length: dims[0]! * columns }, (_, i) => {
    const at = from * columns + i
    const [g, j] = [Math.floor(at / group), at % group]
    const both = codes[(g * group) / 2 + (j % (group / 2))]!
    const code = bits === 8 ? codes[at]! : j < group / 2 ? both & 15 : both >> 4
    const value = codebook ? Math.fround(codebook[code]!) : code - (mins ? 0 : 2 ** (bits - 1))
    return Math.fround(Math.fround(value * scales[g]!) + (mins?.[g] ?? 0))
  })
}

const cases: Case[] = [16, 32, 64, 128].flatMap((group) => [
  { bits: 4, group },
  { bits: 4, group, hasMins: true },
  { bits: 4, group, codebook: codebooks.nf4 },
  { bits: 4, group, codebook: codebooks.iq4 },
  { bits: 8, group },
  { bits: 8, group, hasMins: true },
  { bits: 8, group: 4 * group > columns ? columns : 4 },
])

test.each(cases)('$bits bits by $group, minima $hasMins: the bits of the definition, of some rows too', (c) => {
  const weights = [weightOf(c), weightOf(c, 3, 5), weightOf({ bits: 8, group: 32 }), weightOf(c, rows - 1, 1)]
  const made = unpackAll(weights).map((elements) => Float32Array.from(elements))
  expect(made).toEqual(weights.map(defined))
})

test('memory grows with what is asked for, and what is asked for again is the same', () => {
  const weight = weightOf({ bits: 4, group: 32 })
  const many = unpackAll(Array.from({ length: 200 }, () => weight))
  expect(many.map(({ length }) => length)).toEqual(many.map(() => rows * columns))
  expect(many.at(-1)).toEqual(defined(weight))
  expect(unpackAll([weight])[0]).toEqual(defined(weight))
})

const folder = mkdtempSync(join(tmpdir(), 'jora-unpack-'))
const path = join(folder, 'halves')
/** All that 16 bits can say, five times, behind two bytes of something else. */
const halves = Uint16Array.from({ length: 1 + 5 * 2 ** 16 }, (_, i) => i - 1)
writeFileSync(path, halves)
const descriptor = openSync(path, 'r')
afterAll(() => {
  closeSync(descriptor)
  rmSync(folder, { recursive: true })
})

const valueOf = (bits: number) => new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!

test('a weight that several programs hold is read once, until the last lets go of it', () => {
  const file = { path, descriptor, offset: 4, length: 8 }
  const first = hold([file])
  const bytes = heldBytes(file)
  const second = hold([file])
  first()
  first()
  expect(heldBytes(file)).toBe(bytes)
  second()
  expect(heldBytes(file)).toBeUndefined()
  const beyond = { path, descriptor, offset: halves.byteLength - 2, length: 4 }
  expect(() => hold([file, beyond])).toThrow(/halves ended at \d+, expected 4 bytes/)
  expect(heldBytes(file)).toBeUndefined()
})

test('bf16 in a file: every number, in weights longer than what is widened at once', () => {
  const file = { path, descriptor, offset: 2, length: 10 * 2 ** 16 }
  const letGo = hold([file, file])
  const own = (from: number, dims: readonly [number, number]) => ({ dtype: 'bf16' as const, file, from, dims })
  // Nine columns are no whole number of vectors.
  const weights = [own(0, [5, 2 ** 16]), own(2, [7, 9]), weightOf({ bits: 4, group: 32 }), own(1, [1, 2 ** 16])]
  const made = unpackAll(weights).map((elements) => Float32Array.from(elements))
  const expected = (first: number, count: number) =>
    Float32Array.from({ length: count }, (_, i) => valueOf((first + i) % 2 ** 16))
  expect(made[0]).toEqual(expected(0, 5 * 2 ** 16))
  expect(made[1]).toEqual(expected(18, 63))
  expect(made[2]).toEqual(defined(weightOf({ bits: 4, group: 32 })))
  expect(made[3]).toEqual(expected(0, 2 ** 16))
  letGo()
  expect(heldBytes(file)).toBeUndefined()
})
