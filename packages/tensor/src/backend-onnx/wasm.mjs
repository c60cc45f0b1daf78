// Writes WebAssembly: the few instructions that kernels of this folder are made of, as bytes. Plain JavaScript, as the worker that runs them.

/** Instructions one after another, as bytes and as instructions of their own. @typedef {readonly (number | Code)[]} Code */

/** @param {Code} code @returns {number[]} */
const flat = (code) => code.flatMap((part) => (typeof part === 'number' ? [part] : flat(part)))

/** An unsigned number in LEB128. @param {number} n @returns {number[]} */
const unsigned = (n) => (n < 128 ? [n] : [(n & 127) | 128, ...unsigned(n >>> 7)])

/** A signed number in LEB128. @param {number} n @returns {number[]} */
const signed = (n) => (n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, ...signed(n >> 7)])

/** @param {number} op @param {Code} operands @returns {Code} */
const vector = (op, operands = []) => [0xfd, unsigned(op), operands]

export const types = { i32: 0x7f, v128: 0x7b }

/** @param {number} local @returns {Code} */
export const get = (local) => [0x20, local]
/** @param {number} local @returns {Code} */
export const set = (local) => [0x21, local]
/** Sets a local, and leaves its value. @param {number} local @returns {Code} */
export const tee = (local) => [0x22, local]

/** An i32. @param {number} n @returns {Code} */
export const int = (n) => [0x41, signed(n)]
export const i32 = { add: 0x6a, sub: 0x6b, shiftLeft: 0x74 }

/** `body`, again and again while it leaves a number that is not 0. @param {Code} body @returns {Code} */
export const loop = (body) => [0x03, 0x40, body, 0x0d, 0, 0x0b]

/** Adds `by` to an i32. @param {number} local @param {Code} by @returns {Code} */
export const advance = (local, by) => [get(local), by, i32.add, set(local)]

export const v128 = {
  /** 16 bytes at the address and `at` bytes after it. @param {number} at */
  load: (at) => vector(0x00, [0, unsigned(at)]),
  /** 8 bytes, zeros behind them. */
  load64: vector(0x5d, [0, 0]),
  /** 4 bytes, zeros behind them. */
  load32: vector(0x5c, [0, 0]),
  /** The 4 bytes at the address, four times. */
  splat32: vector(0x09, [0, 0]),
  /** @param {number} at */
  store: (at) => vector(0x0b, [0, unsigned(at)]),
  /** @param {Code} bytes 16 of them */
  of: (bytes) => vector(0x0c, bytes),
  and: vector(0x4e),
  xor: vector(0x51),
}

export const i8x16 = {
  shiftRight: vector(0x6d),
  /** Of the first operand's bytes those that the second numbers. */
  swizzle: vector(0x0e),
  /** Of the 32 bytes of two operands those that `lanes` number. @param {Code} lanes */
  shuffle: (lanes) => vector(0x0d, lanes),
  /** Two vectors of 16-bit numbers as one. */
  narrow: vector(101),
}

/** Two vectors of 32-bit numbers as one. */
export const i16x8 = { narrow: vector(133) }

export const i32x4 = {
  /** An i32, four times. */
  splat: vector(0x11),
  add: vector(174),
  mul: vector(181),
  shiftLeft: vector(171),
  /** With zeros for what comes in. */
  shiftRight: vector(173),
  /** All ones where the first operand, unsigned, is at least the second. */
  atLeast: vector(0x40),
  /** The first four of eight 16-bit numbers, and the others, with zeros before them. */
  low: vector(169),
  high: vector(170),
}

export const f32x4 = {
  add: vector(228),
  sub: vector(229),
  mul: vector(230),
  /** Of unsigned 32-bit numbers. */
  ofIntegers: vector(251),
  /** The first four bytes as numbers. @type {Code} */
  ofBytes: [vector(137), vector(169), vector(251)],
}

/**
 * A function that takes i32s and returns nothing.
 * @typedef {{ readonly params: number, readonly locals: readonly { readonly count: number, readonly type: number }[], readonly body: Code }} Kernel
 */

/** @param {readonly Code[]} items @returns {Code} */
const list = (items) => [unsigned(items.length), items]
/** @param {Code} code @returns {Code} */
const sized = (code) => [unsigned(flat(code).length), code]
/** @param {number} id @param {Code} body @returns {Code} */
const section = (id, body) => [id, sized(body)]
/** @param {string} name @returns {Code} */
const text = (name) => sized([...Buffer.from(name)])

/** A module of kernels under their names, which work on memory that they import. @param {Readonly<Record<string, Kernel>>} kernels */
function encodeModule(kernels) {
  const [names, bodies] = [Object.keys(kernels), Object.values(kernels)]
  const takes = (/** @type {number} */ params) => list(Array.from({ length: params }, () => [types.i32]))
  const code = (/** @type {Kernel} */ { locals, body }) =>
    sized([list(locals.map(({ count, type }) => [unsigned(count), type])), body, 0x0b])
  const module = [
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, list(bodies.map(({ params }) => [0x60, takes(params), 0]))),
    section(2, list([[text('host'), text('memory'), 2, 0, 0]])),
    section(3, list(bodies.map((_, i) => unsigned(i)))),
    section(7, list(names.map((name, i) => [text(name), 0, unsigned(i)]))),
    section(10, list(bodies.map(code))),
  ]
  return Uint8Array.from(flat(module))
}

/**
 * What is used of WebAssembly, which the types of Node do not have.
 * @typedef {{ readonly buffer: ArrayBuffer, grow(pages: number): number }} Memory
 * @typedef {Readonly<Record<string, (...args: number[]) => void>>} Functions
 * @type {{ Module: new (bytes: Uint8Array) => object, Memory: new (size: { initial: number }) => Memory, Instance: new (module: object, imports: { host: { memory: Memory } }) => { exports: Functions } }}
 */
const { Module, Memory, Instance } = Reflect.get(globalThis, 'WebAssembly')

/** Kernels under their names, and memory of their own. @param {Readonly<Record<string, Kernel>>} kernels */
export function openKernels(kernels) {
  const memory = new Memory({ initial: 0 })
  return { memory, run: new Instance(new Module(encodeModule(kernels)), { host: { memory } }).exports }
}
