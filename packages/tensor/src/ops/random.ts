// Random numbers from a counter-based generator: the same key and stream give the same numbers on every backend.
import type { Window } from '../ir/op'
import { stridesOf, type Shape } from '../shape'
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

/** Which number of its key's sequence each element of a draw is: element c has index offset + Σ c[i]·strides[i]. */
export interface DrawLayout {
  /** Whether row r is drawn with key r of several, and numbered by itself. */
  readonly rowKeys: boolean
  readonly strides: readonly number[]
  readonly offset: number
}

/** How a draw of `shape` with a key of `keyShape` is numbered. */
export function drawLayout(shape: Shape, keyShape: Shape, window: Window | undefined): DrawLayout {
  const rowKeys = keyShape.length === 2
  const strides = stridesOf(window?.shape ?? shape)
  if (rowKeys) strides[0] = 0
  const offset = strides.reduce((sum, stride, i) => sum + stride * (window?.starts[i] ?? 0), 0)
  return { rowKeys, strides, offset }
}

/** A key (u32 `[2]`) for `randomUniform` and `dropout`. */
export const randomKey = (...parts: readonly number[]): Tensor => tensor(Uint32Array.from(keyWords(...parts)))

/**
 * Uniform numbers in [0, 1), f32, multiples of 2⁻²⁴. Element i is a pure function of key, stream and i: with
 * k = key ⊕ keyWords(stream) in u32 arithmetic, `x = i·0x9E3779B9 + k₀; x ^= x>>16; x *= 0x7feb352d; x ^= x>>15;
 * x ^= k₁; x *= 0x846ca68b; x ^= x>>16`, and the number is (x>>8)·2⁻²⁴.
 *
 * With a key for each row (the first dimension), i counts within the row: what a row draws does not depend on the rows
 * beside it. With a window, i is the element's row-major index in the larger array (with row keys: in its larger row,
 * whatever `starts[0]`): the parts of an array draw what the whole would.
 * @param key u32 `[2]`, or `[shape[0], 2]`: one a row
 * @param stream separates draws made with one key
 * @param window the larger array of which `shape` is drawn
 * @throws TensorError when the key has another shape or dtype, or the window does not fit
 */
export const randomUniform = (key: Tensor, shape: Shape, stream = 0, window?: Window): Tensor =>
  apply('randomUniform', [key], { shape, stream, ...(window ? { window } : {}) })

/** Standard normal numbers, f32: Box–Muller on streams `stream` and `stream + 1` of `randomUniform`. */
export function randomNormal(key: Tensor, shape: Shape, stream = 0, window?: Window): Tensor {
  const radius = sqrt(mul(log(sub(1, randomUniform(key, shape, stream, window))), -2))
  return mul(radius, cos(mul(randomUniform(key, shape, stream + 1, window), 2 * Math.PI)))
}
