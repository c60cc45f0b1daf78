// Random numbers from a counter-based generator: the same key and stream give the same numbers on every backend.
import type { Shape } from '../shape'
import { tensor, type Tensor } from '../tensor'
import { apply } from './apply'
import { cos, log, mul, sqrt, sub } from './elementwise'

const mix = (x: number): number => {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** Two words from any number of integers (seed, step, …), each fully mixed in (Wellons' lowbias32). */
export function keyWords(...parts: readonly number[]): [number, number] {
  let [a, b] = [0x243f6a88, 0x85a308d3]
  for (const part of parts) {
    a = mix((a ^ part) + 0x9e3779b9)
    b = mix((b + Math.imul(part, 0x85ebca6b)) ^ a)
  }
  return [a, b]
}

/** A key (u32 `[2]`) for `randomUniform` and `dropout`. */
export const randomKey = (...parts: readonly number[]): Tensor => tensor(Uint32Array.from(keyWords(...parts)))

/**
 * Uniform numbers in [0, 1), f32, multiples of 2⁻²⁴. Element i is a pure function of key, stream and i: with
 * k = key ⊕ keyWords(stream) in u32 arithmetic, `x = i·0x9E3779B9 + k₀; x ^= x>>16; x *= 0x7feb352d; x ^= x>>15;
 * x ^= k₁; x *= 0x846ca68b; x ^= x>>16`, and the number is (x>>8)·2⁻²⁴.
 * @param key u32 `[2]`
 * @param stream separates draws made with one key
 */
export const randomUniform = (key: Tensor, shape: Shape, stream = 0): Tensor =>
  apply('randomUniform', [key], { shape, stream })

/** Standard normal numbers, f32: Box–Muller on streams `stream` and `stream + 1`. */
export function randomNormal(key: Tensor, shape: Shape, stream = 0): Tensor {
  const radius = sqrt(mul(log(sub(1, randomUniform(key, shape, stream))), -2))
  return mul(radius, cos(mul(randomUniform(key, shape, stream + 1), 2 * Math.PI)))
}
