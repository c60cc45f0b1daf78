// Memory of the CPU device's tensors, handed out again when they are released. Plain JavaScript, as the worker that takes it.
import { MessageChannel } from 'node:worker_threads'

/** What elements are held in. @type {Record<string, {new (buffer: ArrayBuffer, byteOffset?: number, length?: number): ArrayBufferView, BYTES_PER_ELEMENT: number}>} */
const arrays = {
  f32: Float32Array,
  i32: Int32Array,
  u32: Uint32Array,
  u8: Uint8Array,
  bool: Uint8Array,
  f16: Uint16Array,
}

/** @param {string} dtype */
export function arrayOf(dtype) {
  const ArrayType = arrays[dtype]
  if (!ArrayType) throw new Error(`the CPU device cannot hold ${dtype} outside a file; cast it to f32`)
  return ArrayType
}

/** @param {readonly number[]} shape */
const sizeOf = (shape) => shape.reduce((n, d) => n * d, 1)

/** Memory of released tensors by size: a step makes the tensors that the last one made. @type {Map<number, ArrayBuffer[]>} */
const memory = new Map()
let memoryBytes = 0

/** Memory that nobody has asked for since is given back above this. */
const keptBytes = 2 ** 28

/** Sizes are rounded up to an eighth of the power of two below, so that memory fits tensors of like sizes. @param {number} bytes */
function roundBytes(bytes) {
  const unit = Math.max(64, 2 ** (Math.floor(Math.log2(Math.max(1, bytes))) - 3))
  return Math.ceil(bytes / unit) * unit
}

/** Elements for a tensor. @param {string} dtype @param {readonly number[]} shape @returns {any} */
export function takeArray(dtype, shape) {
  const ArrayType = arrayOf(dtype)
  const length = sizeOf(shape)
  const size = roundBytes(length * ArrayType.BYTES_PER_ELEMENT)
  const kept = memory.get(size)?.pop()
  if (kept) memoryBytes -= size
  return new ArrayType(kept ?? new ArrayBuffer(size), 0, length)
}

/** @param {ArrayBufferLike} buffer of a tensor that is released */
export function keepMemory(buffer) {
  if (!(buffer instanceof ArrayBuffer) || roundBytes(buffer.byteLength) !== buffer.byteLength) return
  const list = memory.get(buffer.byteLength)
  if (list) list.push(buffer)
  else memory.set(buffer.byteLength, [buffer])
  memoryBytes += buffer.byteLength
  for (const [size, buffers] of memory) {
    if (memoryBytes <= keptBytes) return
    memoryBytes -= size * buffers.length
    memory.delete(size)
  }
}

/** What the parts of programs hand on: programs run one after another, and all have it. */
let shared = new ArrayBuffer(0)

/** What is sent here is gone at once. What garbage holds stays until it is collected, beside what takes its place. */
const { port1: nowhere, port2: end } = new MessageChannel()
end.close()

/** Gives what is shared back to the system. */
export function unshareMemory() {
  nowhere.postMessage(shared, [shared])
  shared = new ArrayBuffer(0)
}

/** Makes what is shared at least so large; what was in it is gone. @param {number} bytes */
export function shareMemory(bytes) {
  if (shared.byteLength >= bytes) return
  unshareMemory()
  shared = new ArrayBuffer(bytes)
}

/** Elements at a place of what is shared. @param {string} dtype @param {readonly number[]} shape @param {number} offset in bytes */
export const sharedArray = (dtype, shape, offset) => new (arrayOf(dtype))(shared, offset, sizeOf(shape))
