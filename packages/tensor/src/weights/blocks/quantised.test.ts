// Blocks packed bit for bit as ggml's own quantiser packs them (tooling/reference/make_quantise_goldens.py).
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import golden from '../../../test/goldens/quantised.json' with { type: 'json' }
import { encodeRows } from './pack'
import type { PackedType } from './types'
import { decodeRows } from './unpack'

const hash32 = (x: number): number => {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** The numbers of tooling/reference/formula.py. */
function formula(name: string, size: number, scale: number, base: number): Float32Array {
  let seed = 0x811c9dc5
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193) >>> 0
  const start = hash32(seed)
  return Float32Array.from({ length: size }, (_, i) => base + scale * (hash32((start + i) >>> 0) / 2 ** 31 - 1))
}

const size = golden.rows * golden.columns
const valuesOf = ({ name, scale, base }: (typeof golden.cases)[number]): Float32Array => {
  if (scale !== null) return formula(name, size, scale, base)
  return formula(name, size, 1, 0).map((x, i) => (i < golden.columns ? 0 : Math.fround(Math.fround(x * x) * x)))
}

describe.each(golden.cases)('$name', (c) => {
  test.each(Object.entries(c.made))('%s', (type, { bytes, sha256 }) => {
    const values = valuesOf(c)
    const packed = encodeRows(values, type as PackedType)
    expect(packed.length).toBe(bytes)
    expect(createHash('sha256').update(packed).digest('hex')).toBe(sha256)
    // Scales that f16 has as 0 leave nothing.
    if (c.name === 'tiny') return
    const worst = decodeRows(packed, type as PackedType).reduce((m, v, i) => Math.max(m, Math.abs(v - values[i]!)), 0)
    expect(worst).toBeLessThan(0.15 * values.reduce((m, v) => Math.max(m, Math.abs(v)), 0))
  })
})

test.each(['q4_k', 'q5_k', 'q6_k', 'q5_0', 'q5_1'] as const)('%s refuses what is not finite', (type) => {
  for (const value of [NaN, Infinity, -Infinity])
    expect(() => encodeRows(new Float32Array(256).fill(1).fill(value, 9, 10), type)).toThrow(/cannot be quantised/)
})
