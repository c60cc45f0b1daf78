// GPU buffers: created once, kept by size when released and handed out again, so that a training step allocates nothing.
import { fail } from '../../errors'

/** A buffer in use. `number` tells buffers apart in keys of caches. */
export interface Allocation {
  readonly buffer: GPUBuffer
  readonly number: number
  /** Bytes of the buffer, at least what was asked for. */
  readonly bytes: number
}

/** Buffers above this are made to measure: rounding up would waste more than a new buffer costs. */
const roundedBelow = 2 ** 20

/** Sizes are rounded so that released buffers fit again: to 256 bytes, and to an eighth of the power of two below. */
function roundBytes(bytes: number): number {
  const unit = bytes <= 2048 || bytes > roundedBelow ? 256 : 2 ** (Math.floor(Math.log2(bytes)) - 3)
  return Math.ceil(Math.max(4, bytes) / unit) * unit
}

export class Allocator {
  /** Bytes of all buffers that exist, free ones included: what the device holds for us. */
  bytes = 0
  peakBytes = 0
  readonly #free = new Map<string, Allocation[]>()
  #count = 0

  constructor(
    readonly device: GPUDevice,
    readonly limits: {
      readonly maxBufferBytes: number
      readonly budgetBytes: number | undefined
      readonly name: string
      onCreate(): void
    },
  ) {}

  take(bytes: number, usage: number, what: string): Allocation {
    const size = roundBytes(bytes)
    const free = this.#free.get(`${usage}/${size}`)?.pop()
    if (free) return free
    const { maxBufferBytes, budgetBytes, name } = this.limits
    if (bytes > maxBufferBytes)
      fail(
        'webgpu',
        `${what} takes ${megabytes(bytes)}, a buffer of ${name} holds at most ${megabytes(maxBufferBytes)}`,
      )
    if (budgetBytes !== undefined && this.bytes + size > budgetBytes) {
      this.trim()
      if (this.bytes + size > budgetBytes)
        fail(
          'webgpu',
          `${what} takes ${megabytes(bytes)}, but ${megabytes(this.bytes)} of the ${megabytes(budgetBytes)} allowed on ${name} are in use`,
        )
    }
    this.limits.onCreate()
    this.bytes += size
    this.peakBytes = Math.max(this.peakBytes, this.bytes)
    return { buffer: this.device.createBuffer({ size, usage, label: what }), number: this.#count++, bytes: size }
  }

  release(allocation: Allocation): void {
    const key = `${allocation.buffer.usage}/${allocation.bytes}`
    const free = this.#free.get(key)
    // A large buffer that nobody holds is worth more as memory.
    if (allocation.bytes > 64 * roundedBelow) this.destroy(allocation)
    else if (free) free.push(allocation)
    else this.#free.set(key, [allocation])
  }

  destroy({ buffer, bytes }: Allocation): void {
    buffer.destroy()
    this.bytes -= bytes
  }

  /** Gives free buffers back to the driver. */
  trim(): void {
    for (const list of this.#free.values()) for (const allocation of list) this.destroy(allocation)
    this.#free.clear()
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`
