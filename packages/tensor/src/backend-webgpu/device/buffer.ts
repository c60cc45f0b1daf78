// A tensor on a WebGPU device, and how its elements look there and on the host.
import type { Device, DeviceBuffer, FileRange } from '../../backend/backend'
import { viewAs, type HostArray } from '../../dtype'
import type { Aval } from '../../ir/op'
import { showAval } from '../../ir/print'
import { sizeOf } from '../../shape'
import type { Allocation } from './allocator'

export class GpuBuffer implements DeviceBuffer {
  allocation: Allocation | undefined
  released = false
  /** Why it holds nothing: the program that was to fill it could not be compiled. */
  failure: Error | undefined
  constructor(
    readonly device: Device,
    readonly aval: Aval,
    readonly file?: FileRange,
  ) {}
}

/** Why a program cannot read one of these, if it cannot. */
export function unreadable(buffers: readonly GpuBuffer[]): Error | undefined {
  for (const { failure, allocation, aval } of buffers) {
    if (failure) return failure
    if (!allocation) return new Error(`a ${showAval(aval)} was released before a program that reads it ran`)
  }
  return undefined
}

/** Whether a donated tensor was handed in once only, and is no weight of the program: then its memory can be taken. */
export const isSole = (buffer: GpuBuffer, inputs: readonly GpuBuffer[], constants: readonly GpuBuffer[]): boolean =>
  inputs.filter((other) => other === buffer).length === 1 && !constants.includes(buffer)

/** Memory that others may write once the call has returned. Pages without cross-origin isolation have none. */
export const isShared = ({ buffer }: HostArray): boolean =>
  typeof SharedArrayBuffer !== 'undefined' && (buffer as ArrayBufferLike) instanceof SharedArrayBuffer

/** Host elements as they are on the device: bool as u32, padded to a multiple of four bytes. */
export function deviceBytes(data: HostArray, aval: Aval, copy: boolean): Uint8Array<ArrayBuffer> {
  if (aval.dtype === 'bool') return new Uint8Array(Uint32Array.from(data).buffer)
  const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
  if (bytes.byteLength % 4 === 0) return copy ? bytes.slice() : bytes
  const padded = new Uint8Array(Math.ceil(bytes.byteLength / 4) * 4)
  padded.set(bytes)
  return padded
}

export function hostElements(bytes: Uint8Array, { dtype, shape }: Aval): HostArray {
  const length = sizeOf(shape)
  if (dtype === 'bool') return Uint8Array.from(new Uint32Array(bytes.buffer, bytes.byteOffset, length))
  return viewAs(dtype, bytes).subarray(0, length) as HostArray
}
