// Random draws of a run: the generator of ops/random.ts in WebAssembly, whose vectors take an eighth of JavaScript's time, in memory that
// all runs use again. Plain JavaScript, as the worker that calls it.
import {
  advance,
  f32x4,
  get,
  i16x8,
  i32,
  i32x4,
  i8x16,
  int,
  loop,
  openKernels,
  set,
  tee,
  types,
  v128,
} from './wasm.mjs'

/** Elements that a kernel makes at a time. Behind the last one of a run it writes up to so many. */
const unit = 16
const golden = 0x9e3779b9

/** Locals of all kernels, those they are given first. */
const [out, rounds, first, k1, keepFrom, word] = [0, 1, 2, 3, 4, 5]
const [index, key, least, words, x] = [6, 7, 8, 9, 10]

/** Four 32-bit numbers. @param {readonly number[]} lanes */
const vectorOf = (lanes) => v128.of([...new Uint8Array(Uint32Array.from(lanes).buffer)])
/** @param {number} number */
const fourOf = (number) => vectorOf([number, number, number, number])
/** x ^ (x >> by) of what is on the stack. @param {number} by */
const folded = (by) => [tee(x), get(x), int(by), i32x4.shiftRight, v128.xor]

/** The 24 random bits of the next four elements. */
const bits = [
  [get(index), get(index), fourOf(Math.imul(4, golden)), i32x4.add, set(index)],
  [folded(16), fourOf(0x7feb352d), i32x4.mul],
  [folded(15), get(key), v128.xor, fourOf(0x846ca68b), i32x4.mul],
  [folded(16), int(8), i32x4.shiftRight],
]
/** Of the next four elements: all ones where they are kept. */
const kept = [bits, get(least), i32x4.atLeast]
const vectors = [0, 1, 2, 3]

/** @param {import('./wasm.mjs').Code} body writes what 16 elements are to `out` @param {number} bytes what that takes */
const kernel = (body, bytes) => ({
  params: 6,
  locals: [{ count: 5, type: types.v128 }],
  body: [
    [get(first), i32x4.splat, vectorOf([0, 1, 2, 3].map((i) => Math.imul(i, golden))), i32x4.add, set(index)],
    [get(k1), i32x4.splat, set(key), get(keepFrom), i32x4.splat, set(least), get(word), i32x4.splat, set(words)],
    loop([body, advance(out, int(bytes)), get(rounds), int(1), i32.sub, tee(rounds)]),
  ],
})

const kernels = {
  /** Numbers in [0, 1). */
  numbers: kernel(
    vectors.map((i) => [get(out), bits, f32x4.ofIntegers, get(words), f32x4.mul, v128.store(16 * i)]),
    64,
  ),
  /** f32: the scale where an element is kept, else 0. */
  scales: kernel(
    vectors.map((i) => [get(out), kept, get(words), v128.and, v128.store(16 * i)]),
    64,
  ),
  /** Bytes: 1 where an element is kept, else 0. */
  flags: kernel(
    [
      [get(out), kept, kept, i16x8.narrow, kept, kept, i16x8.narrow, i8x16.narrow],
      [get(words), v128.and, v128.store(0)],
    ],
    16,
  ),
}

/** The bits of an f32. @param {number} value */
const bitsOf = (value) => new Int32Array(Float32Array.of(value).buffer)[0] ?? 0

/** Which kernel makes a draw, and the word that it takes. @param {import('./draws').Draw} draw @returns {{ name: keyof typeof kernels, word: number, bytes: number }} */
function kernelOf({ mask }) {
  if (mask === undefined) return { name: 'numbers', word: bitsOf(2 ** -24), bytes: 4 }
  if (mask.scale === undefined) return { name: 'flags', word: 0x01010101, bytes: 1 }
  return { name: 'scales', word: bitsOf(mask.scale), bytes: 4 }
}

/**
 * Runs of elements that are numbered one after another: the innermost dimensions.
 * @param {import('./draws').Draw} draw @param {number} size in elements @param {ArrayLike<number>} keys
 * @param {(from: number, length: number, index: number, k0: number, k1: number) => void} fill elements from `from` on, of which the first has number `index`
 */
function eachRun({ words: [w0, w1], dims, strides, offset, rowKeys }, size, keys, fill) {
  let [axis, run] = [dims.length - 1, 1]
  for (; axis >= 0 && strides[axis] === run; axis--) run *= dims[axis] ?? 1
  const rowLength = rowKeys ? size / (dims[0] ?? 1) : size
  for (let from = 0; from < size; from += run) {
    let number = offset
    for (let i = axis, outer = from / run; i >= 0; i--) {
      const length = dims[i] ?? 1
      number += (outer % length) * (strides[i] ?? 0)
      outer = Math.floor(outer / length)
    }
    const at = rowKeys ? 2 * Math.floor(from / rowLength) : 0
    fill(from, run, number, Number(keys[at]) ^ w0, Number(keys[at + 1]) ^ w1)
  }
}

const pageBytes = 2 ** 16
/** @type {ReturnType<typeof openKernels> | undefined} */
let open

/** Forgets the memory: it is given back once what was drawn there is garbage. */
export function forgetDrawn() {
  open = undefined
}

/**
 * Elements of all `draws`, until this is called again: numbers in [0, 1), or masks.
 * @param {readonly import('./draws').Draw[]} draws
 * @param {(draw: import('./draws').Draw) => ArrayLike<number>} keyOf u32 `[2]`, or `[rows, 2]`
 * @returns {(Float32Array | Uint8Array)[]}
 */
export function drawAll(draws, keyOf) {
  if (draws.length === 0) return []
  let end = 0
  const places = draws.map((draw) => {
    const [at, size] = [end, draw.dims.reduce((a, b) => a * b, 1)]
    const by = kernelOf(draw)
    end += Math.ceil((size * by.bytes) / 64) * 64
    return { draw, at, size, ...by }
  })
  const { memory, run } = (open ??= openKernels(kernels))
  const missing = Math.ceil((end + 64 - memory.buffer.byteLength) / pageBytes)
  if (missing > 0) memory.grow(missing)
  return places.map(({ draw, at, size, name, word: value, bytes }) => {
    eachRun(draw, size, keyOf(draw), (from, length, number, a, b) => {
      const start = Math.imul(number, golden) + a
      run[name]?.(at + from * bytes, Math.ceil(length / unit), start, b, draw.mask?.keepFrom ?? 0, value)
    })
    return bytes === 1 ? new Uint8Array(memory.buffer, at, size) : new Float32Array(memory.buffer, at, size)
  })
}
