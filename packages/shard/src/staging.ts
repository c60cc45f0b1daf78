// Host memory that tensors pass through on their way between devices: shared, pooled by size, handed out again.

/** Shared with the threads that devices run in. A page without cross-origin isolation has none, and no such devices. */
type Memory = SharedArrayBuffer | ArrayBuffer
const allocate = (size: number): Memory =>
  typeof SharedArrayBuffer === 'undefined' ? new ArrayBuffer(size) : new SharedArrayBuffer(size)

/** Sizes are rounded up to these steps, so that buffers fit again. */
const stepBytes = 4096

export class StagingPool {
  /** Bytes of all buffers made so far. */
  bytes = 0
  readonly #free = new Map<number, Memory[]>()

  /** `length` bytes of a buffer that is the caller's until it is released. */
  take(length: number): Uint8Array {
    const size = Math.max(stepBytes, Math.ceil(length / stepBytes) * stepBytes)
    let buffer = this.#free.get(size)?.pop()
    if (!buffer) {
      buffer = allocate(size)
      this.bytes += size
    }
    return new Uint8Array(buffer, 0, length)
  }

  release(bytes: Uint8Array): void {
    const buffer = bytes.buffer as Memory
    const list = this.#free.get(buffer.byteLength)
    if (list) list.push(buffer)
    else this.#free.set(buffer.byteLength, [buffer])
  }
}
