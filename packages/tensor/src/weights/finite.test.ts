import { expect, test } from 'vitest'
import { allFinite } from './finite'
import { encodeFloats } from './safetensors/floats'

test.each(['F32', 'F16', 'BF16'] as const)('%s', (dtype) => {
  const values = Float32Array.of(0, -0, 1, -65504, 2 ** -24, 3, 5)
  expect(allFinite(encodeFloats(values, dtype === 'BF16' ? 'BF16' : dtype), dtype)).toBe(true)
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (let at = 0; at < values.length; at++) {
      const changed = encodeFloats(values.with(at, bad), dtype)
      expect(allFinite(changed, dtype), `${bad} at ${at}`).toBe(false)
      // From an odd place in a file.
      const shifted = new Uint8Array(changed.length + 1)
      shifted.set(changed, 1)
      expect(allFinite(shifted.subarray(1), dtype)).toBe(false)
    }
  }
})
