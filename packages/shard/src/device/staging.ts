// Host memory that tensors pass through on their way between devices: shared, pooled by size, handed out again.
import type { Mailbox } from '@jora/tensor/graph'

/** Shared with the threads that devices run in. A page without cross-origin isolation has none, and no such devices. */
type Memory = SharedArrayBuffer | ArrayBuffer
const allocate = (size: number): Memory =>
  typeof SharedArrayBuffer === 'undefined' ? new ArrayBuffer(size) : new SharedArrayBuffer(size)

/** Powers of two: tensors of other batch shapes find memory that fits, and pages nobody touches take none. */
const roundBytes = (length: number): number => 2 ** Math.ceil(Math.log2(Math.max(4096, length)))

export class StagingPool {
  readonly #free = new Map<number, Memory[]>()

  /** `length` bytes of a buffer that is the caller's until it is released. */
  take(length: number): Uint8Array {
    const size = roundBytes(length)
    return new Uint8Array(this.#free.get(size)?.pop() ?? allocate(size), 0, length)
  }

  release(bytes: Uint8Array): void {
    const buffer = bytes.buffer as Memory
    const list = this.#free.get(buffer.byteLength)
    if (list) list.push(buffer)
    else this.#free.set(buffer.byteLength, [buffer])
  }
}

/** A mailbox between devices of this process, how often it was used, and when last. */
interface Post extends Mailbox {
  turn: number
  step: number
}

/** Mailboxes by size, those longest unused first. */
export class Mailboxes {
  readonly #known = new Map<number, Post[]>()
  #step = 0

  /** Exchanges that are posted together begin: until the next call no mailbox is handed out twice. */
  begin(): void {
    this.#step++
  }

  /**
   * A mailbox of `length` bytes and its next turn. Devices see to it that a turn is collected before the next is put; one
   * that was used in the exchange before is left alone, so that none has to wait for that.
   */
  next(length: number): { mailbox: Mailbox; turn: number } {
    const size = roundBytes(length)
    let list = this.#known.get(size)
    if (!list) this.#known.set(size, (list = []))
    const [oldest] = list
    const free = oldest && oldest.step < this.#step - 1 ? list.shift()! : undefined
    const shared = (bytes: number) => new SharedArrayBuffer(bytes)
    const mailbox = free ?? { bytes: new Uint8Array(shared(size)), state: new Int32Array(shared(12)), turn: 0, step: 0 }
    mailbox.step = this.#step
    list.push(mailbox)
    return { mailbox, turn: ++mailbox.turn }
  }
}
