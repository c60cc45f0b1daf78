// Unpacks quantised weights for a run, in memory that all runs use again. WebAssembly has vectors: it takes a third of the time of the
// operators, of which each goes over the weight once. Plain JavaScript, as the worker that calls it.
import { heldBytes } from './held.mjs'
import { advance, f32x4, get, i32, i32x4, i8x16, int, loop, openKernels, set, tee, types, v128 } from './wasm.mjs'

/** @param {number} count @param {number} from */
const range = (count, from = 0) => Array.from({ length: count }, (_, i) => from + i)

/** Units of `size` bytes of two vectors in turn, of each those from byte `from` on. @param {number} size @param {number} from */
const inTurn = (size, from) =>
  range(16 / size).flatMap((i) => range(size, (i % 2) * 16 + from + Math.floor(i / 2) * size))

/**
 * `groups` times `body`, before which the group's scale and minimum are in vectors.
 * @param {{ scales: number, mins: number, minStep: number, groups: number, scale: number, min: number }} locals
 * @param {import('./wasm.mjs').Code} body
 */
const eachGroup = ({ scales, mins, minStep, groups, scale, min }, body) =>
  loop([
    [get(scales), v128.splat32, set(scale), advance(scales, int(4))],
    [get(mins), v128.splat32, set(min), advance(mins, get(minStep))],
    body,
    [get(groups), int(1), i32.sub, tee(groups)],
  ])

/** Codes of 4 bits, of 8 bytes at a time: 8 of a group's first half and 8 of its second. Values are read from a table. */
function fourBits() {
  const [codes = 0, scales = 0, mins = 0, minStep = 0, groups = 0, half = 0, table = 0, out = 0] = range(8)
  const [left = 0, second = 0] = range(2, 8)
  const [scale = 0, min = 0, both = 0, index = 0, a = 0, b = 0, c = 0, d = 0, ab = 0, cd = 0] = range(10, 10)
  /** A byte of each value, which is a quarter of the table. @param {number} byte @param {number} to */
  const quarter = (byte, to) => [get(table), v128.load(16 * byte), get(index), i8x16.swizzle, set(to)]
  /** @param {number} from @param {number} to @param {number} at */
  const write = (from, to, at) => [
    [get(to), get(ab), get(cd), i8x16.shuffle(inTurn(2, from))],
    [get(scale), f32x4.mul, get(min), f32x4.add, v128.store(at)],
  ]
  /** Eight values, of codes from `from` on. @param {number} from @param {number} to */
  const eight = (from, to) => [
    [get(a), get(b), i8x16.shuffle(inTurn(1, from)), set(ab)],
    [get(c), get(d), i8x16.shuffle(inTurn(1, from)), set(cd)],
    [write(0, to, 0), write(8, to, 16)],
  ]
  const secondHalf = [get(out), get(half), int(2), i32.shiftLeft, i32.add]
  const body = eachGroup({ scales, mins, minStep, groups, scale, min }, [
    [get(half), set(left)],
    loop([
      [get(codes), v128.load64, tee(both), v128.of(range(16).map(() => 15)), v128.and],
      [get(both), int(4), i8x16.shiftRight],
      [i8x16.shuffle([...range(8), ...range(8, 16)]), set(index)],
      [quarter(0, a), quarter(1, b), quarter(2, c), quarter(3, d)],
      [eight(0, out), secondHalf, set(second), eight(8, second)],
      [advance(codes, int(8)), advance(out, int(32))],
      [get(left), int(8), i32.sub, tee(left)],
    ]),
    [secondHalf, set(out)],
  ])
  const locals = [
    { count: 2, type: types.i32 },
    { count: 10, type: types.v128 },
  ]
  return { params: 8, locals, body }
}

/** Codes of 8 bits, four at a time, of which `zero` stands for 0. */
function eightBits() {
  const [codes = 0, scales = 0, mins = 0, minStep = 0, groups = 0, group = 0, zero = 0, out = 0, left = 0] = range(9)
  const [scale = 0, min = 0, middle = 0] = range(3, 9)
  const body = [
    [get(zero), v128.splat32, set(middle)],
    eachGroup({ scales, mins, minStep, groups, scale, min }, [
      [get(group), set(left)],
      loop([
        [get(out), get(codes), v128.load32, f32x4.ofBytes, get(middle), f32x4.sub],
        [get(scale), f32x4.mul, get(min), f32x4.add, v128.store(0)],
        [advance(codes, int(4)), advance(out, int(16))],
        [get(left), int(4), i32.sub, tee(left)],
      ]),
    ]),
  ]
  const locals = [
    { count: 1, type: types.i32 },
    { count: 3, type: types.v128 },
  ]
  return { params: 8, locals, body }
}

/** Floats of 16 bits, the upper halves of f32, eight at a time. */
function bf16() {
  const [from = 0, eights = 0, out = 0, eight = 0] = range(4)
  /** @param {'low' | 'high'} half */
  const widened = (half) => [get(out), get(eight), i32x4[half], int(16), i32x4.shiftLeft]
  const body = loop([
    [get(from), v128.load(0), set(eight)],
    [widened('low'), v128.store(0), widened('high'), v128.store(16)],
    [advance(from, int(16)), advance(out, int(32))],
    [get(eights), int(1), i32.sub, tee(eights)],
  ])
  return { params: 3, locals: [{ count: 1, type: types.v128 }], body }
}

/** Where kernels find what is the same for all groups: the table by bytes; zero, for weights without minima; the code that stands for 0. */
const [tableAt, noneAt, zeroAt, stagedAt] = [0, 64, 68, 128]
const pageBytes = 2 ** 16

/** Halves are taken so many bytes at a time: they are widened while they are in the processor's cache. */
const chunkBytes = 2 ** 18

/** Kernels with their memory, which no run has to keep. @type {ReturnType<typeof openKernels> | undefined} */
let open

/** Forgets the memory: it is given back once what was unpacked there is garbage. */
export function forgetUnpacked() {
  open = undefined
}

/**
 * Rows of a weight: which, and what they are made of: the parts of a quantised weight, or halves of a file that is held.
 * @typedef {{ codes: Uint8Array, scales: Float32Array, mins: Float32Array | undefined, bits: 4 | 8, codebook?: readonly number[] | undefined, from: number, dims: readonly number[] }} Packed
 * @typedef {{ dtype: import('./quantised/unpacked').FiledWeight['dtype'], file: import('./quantised/unpacked').HeldFile, from: number, dims: readonly number[] }} Filed
 */

/** @param {Packed} weight @returns {readonly (Uint8Array | Float32Array)[]} */
function partsOf({ codes, scales, mins, bits, from, dims }) {
  const [rows = 0, columns = 0] = dims
  const codeBytes = (columns * bits) / 8
  const groups = (scales.length * codeBytes) / codes.length
  return [
    codes.subarray(from * codeBytes, (from + rows) * codeBytes),
    scales.subarray(from * groups, (from + rows) * groups),
    ...(mins ? [mins.subarray(from * groups, (from + rows) * groups)] : []),
  ]
}

/** @param {number} bytes */
const aligned = (bytes) => Math.ceil(bytes / 64) * 64

/** What a weight's codes of 4 bits stand for, before they are scaled. @param {Packed} weight */
const tableOf = ({ codebook, mins }) => Float32Array.from(codebook ?? range(16, mins ? 0 : -8))

/** @param {Packed | Filed} weight */
const stagedBytes = (weight) =>
  'file' in weight ? chunkBytes : partsOf(weight).reduce((sum, { byteLength }) => sum + aligned(byteLength), 0)

/** @typedef {ReturnType<typeof openKernels>} Kernels */

/** @param {Kernels} kernels @param {Packed} weight @param {number} size in elements @param {number} out */
function unpackCodes({ memory: { buffer }, run }, weight, size, out) {
  let at = stagedAt
  const parts = partsOf(weight)
  const [codes = 0, scales = 0, mins] = parts.map((part) => {
    const here = at
    new Uint8Array(buffer, at).set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
    at += aligned(part.byteLength)
    return here
  })
  const groups = parts[1]?.length ?? 0
  const minima = /** @type {const} */ ([mins ?? noneAt, mins === undefined ? 0 : 4])
  if (weight.bits === 4) {
    const bytes = new Uint8Array(tableOf(weight).buffer)
    new Uint8Array(buffer, tableAt, 64).forEach((_, j, table) => (table[j] = bytes[4 * (j % 16) + (j >> 4)] ?? 0))
    run.fourBits?.(codes, scales, ...minima, groups, size / groups / 2, tableAt, out)
  } else {
    new Float32Array(buffer, zeroAt, 1)[0] = mins === undefined ? 128 : 0
    run.eightBits?.(codes, scales, ...minima, groups, size / groups, zeroAt, out)
  }
}

/** @param {Kernels} kernels @param {Filed} weight @param {number} size in elements @param {number} out */
function unpackHalves({ memory: { buffer }, run }, { dtype, file, from, dims: [, columns = 0] }, size, out) {
  const bytes = heldBytes(file).subarray(2 * from * columns)
  for (let at = 0; at < 2 * size; at += chunkBytes) {
    const count = Math.min(chunkBytes, 2 * size - at)
    new Uint8Array(buffer, stagedAt, count).set(bytes.subarray(at, at + count))
    run[dtype]?.(stagedAt, Math.ceil(count / 16), out + 2 * at)
  }
}

/** The elements of all `weights`, until this is called again. @param {readonly (Packed | Filed)[]} weights @returns {Float32Array[]} */
export function unpackAll(weights) {
  if (weights.length === 0) return []
  const sizes = weights.map(({ dims: [rows = 0, columns = 0] }) => rows * columns)
  const first = stagedAt + Math.max(0, ...weights.map(stagedBytes))
  const total = sizes.reduce((sum, size) => sum + aligned(4 * size), first)
  const kernels = (open ??= openKernels({ fourBits: fourBits(), eightBits: eightBits(), bf16: bf16() }))
  const { memory } = kernels
  const missing = Math.ceil((total - memory.buffer.byteLength) / pageBytes)
  if (missing > 0) memory.grow(missing)
  let out = first
  return weights.map((weight, i) => {
    const size = sizes[i] ?? 0
    if ('file' in weight) unpackHalves(kernels, weight, size, out)
    else unpackCodes(kernels, weight, size, out)
    const elements = new Float32Array(memory.buffer, out, size)
    out += aligned(4 * size)
    return elements
  })
}
