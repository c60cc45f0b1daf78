// The interface every backend implements: a device that holds buffers and runs compiled graphs.
import type { HostArray } from '../dtype'
import type { Graph } from '../ir/graph'
import type { Aval } from '../ir/op'

/** Bytes of a file that hold one tensor, row-major and little-endian. */
export interface FileRange {
  readonly path: string
  /** Absolute byte offset in the file. */
  readonly offset: number
  /** Length in bytes: of all pieces together where there are several. */
  readonly length: number
  /** Present: the bytes are in `count` pieces of equal length, whose beginnings are `strideBytes` apart. */
  readonly pieces?: { readonly count: number; readonly strideBytes: number }
  /** What the tensor is called, for messages. */
  readonly label?: string
}

/** Elements that live on a device. Opaque but for its device. */
export interface DeviceBuffer {
  readonly device: Device
  readonly aval: Aval
}

/**
 * Shared memory through which devices of one process hand one another tensors without anyone between: one puts, others
 * collect, and only then may the next put. Turns are counted from 1 by whoever directs them.
 */
export interface Mailbox {
  /** On a SharedArrayBuffer; at least as long as the elements. */
  readonly bytes: Uint8Array
  /** On a SharedArrayBuffer, zero at first: the last turn that was put, how many have yet to collect it, whether it failed. */
  readonly state: Int32Array
}

/** A graph compiled for one device. Calls are queued in order; a failure surfaces when a result is read. */
export interface Executable {
  /** Resolves when compiled; rejects when the device cannot compile it. */
  readonly ready: Promise<void>
  /** Starts a run. `inputs` follow the graph's inputs; the result follows its outputs. */
  run(inputs: readonly DeviceBuffer[]): DeviceBuffer[]
  release(): void
}

/** What a device holds, in bytes. */
export interface MemoryStats {
  /** Bytes the device uses now. On the CPU: resident memory of the process. */
  readonly bytes: number
  /** The most it used since it was opened. */
  readonly peakBytes: number
}

/** What `jit` hands a backend: constants carry the buffers they are bound to. */
export type CompileGraph = Graph<{ readonly buffer: DeviceBuffer }>

/** What a device may know of the calls that a program is compiled for. */
export interface CompileOptions {
  /** Positions of inputs that the caller gives up with each run: outputs may take their memory. */
  readonly donated?: readonly number[]
  /** Buffers like those it will be run with: a mesh compiles for where their parts are. */
  readonly inputs?: readonly DeviceBuffer[]
  /** The same function is compiled for other shapes too: a device that can shares one model, with its weights prepared once. */
  readonly manyShapes?: boolean
}

/**
 * Where tensors are and programs run. Work is queued in the order of calls: a read gives what was there when it was asked
 * for, whatever is released, donated or uploaded after it (`test/backend/lifetime.ts` holds every device to this).
 */
export interface Device {
  readonly kind: 'cpu' | 'webgpu'
  /** Human-readable: processor or adapter. */
  readonly name: string
  /** What it computes in, the one that suits it best first. */
  readonly computeDTypes: readonly ('f32' | 'f16')[]
  /** Bits that activations are rounded to in products of 8 bits: 7 where the processor would not add products of 8 exactly. */
  readonly activationBits?: 7 | 8
  /** Copies `data`; what is on a SharedArrayBuffer must stay as it is until a later read or synchronize resolves. */
  upload(data: HostArray, aval: Aval): DeviceBuffer
  /** A tensor that stays in its file until a program needs it. */
  fromFile(range: FileRange, aval: Aval): DeviceBuffer
  compile(graph: CompileGraph, options?: CompileOptions): Executable
  /** `graph` without the ops it runs as their definitions say. Whoever cuts a graph up before it is compiled may ask for this
   * first: parts of a definition that others have too are then computed once. Absent: it has kernels for all. */
  decomposed?<T>(graph: Graph<T>): Graph<T>
  read(buffer: DeviceBuffer): Promise<HostArray>
  /** Copies the elements, row-major, into `target`, which is as long and may be on a SharedArrayBuffer. */
  readInto(buffer: DeviceBuffer, target: Uint8Array): Promise<void>
  /** Puts the elements into `mailbox` as its next turn, for `readers` devices, once the turn before has been collected. */
  put?(buffer: DeviceBuffer, mailbox: Mailbox, turn: number, readers: number): void
  /** A tensor of what is put there at `turn`; one that fails, as the other device's did, when that is an error. */
  collect?(mailbox: Mailbox, turn: number, aval: Aval): DeviceBuffer
  release(buffer: DeviceBuffer): void
  memory(): Promise<MemoryStats>
  /** Resolves when everything queued has run; rejects with the first error of a queued run. */
  synchronize(): Promise<void>
  close(): Promise<void>
}
