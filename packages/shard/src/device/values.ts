// The buffers of one run on one device, by the values of its program.
import { showAval, type DeviceBuffer, type Value } from '@jora/tensor/graph'

/** Buffers of one run on one device, with how many values are on each: a device keeps what it sends itself. */
export class Values {
  readonly #buffers = new Map<Value, DeviceBuffer>()
  readonly #holders = new Map<DeviceBuffer, number>()

  constructor(readonly borrowed: ReadonlySet<DeviceBuffer>) {}

  set(value: Value, buffer: DeviceBuffer): void {
    this.#buffers.set(value, buffer)
    this.#holders.set(buffer, (this.#holders.get(buffer) ?? 0) + 1)
  }

  get(value: Value): DeviceBuffer {
    const buffer = this.#buffers.get(value)
    if (!buffer) throw new Error(`the mesh lost a ${showAval(value.aval)}`)
    return buffer
  }

  /** The value is not needed any more; its buffer is given back unless another is on it or the caller owns it. */
  drop(value: Value): void {
    const buffer = this.#buffers.get(value)
    if (!buffer) return
    this.#buffers.delete(value)
    const left = this.#holders.get(buffer)! - 1
    this.#holders.set(buffer, left)
    if (left === 0 && !this.borrowed.has(buffer)) buffer.device.release(buffer)
  }

  clear(): void {
    for (const value of this.#buffers.keys()) this.drop(value)
  }
}
