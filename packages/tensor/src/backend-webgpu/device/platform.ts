// What a WebGPU device is given: what the platform (Node or a page) provides, and options; and what it counts.
import type { FileRange } from '../../backend/backend'
import type { GpuProfile } from './profile'
import type { TuningStore } from './tuning'

/** The platform's GPUDevice, where a program has types for it; our declarations need none. */
export type PlatformGpu = typeof globalThis extends { GPUDevice: { prototype: infer T } } ? T : object

/** What the platform provides: Node or a page. */
export interface Platform {
  /** Hands the bytes of a file range on in pieces; absent where there are no files. */
  readonly readRange?: (range: FileRange, piece: (bytes: Uint8Array, offset: number) => void) => Promise<void>
  /** Waits for work that a software adapter does on this process's cores. */
  readonly waitForCpu?: <T>(promise: Promise<T>) => Promise<T>
  /** Remembers which tiles were fastest; without it they are measured anew. */
  readonly tuning?: TuningStore
}

/** How a WebGPU device is opened. */
export interface WebGpuDeviceOptions {
  /** Refuses to allocate more than this on the device. */
  readonly memoryBytes?: number
  /** Replaces what is known of the adapter: how kernels for another adapter are tested on this one. */
  readonly profile?: Partial<GpuProfile>
  /** Whether products that are new to the adapter are tried with several tiles (a second or two, once); true when absent. */
  readonly tune?: boolean
}

/** What a device has done since it was opened: what tests and benches hold it to. */
export interface WebGpuCounters {
  /** Programs run, and the dispatches they took. */
  runs: number
  dispatches: number
  /** GPU buffers and pipelines created. */
  buffers: number
  pipelines: number
  /** The largest arena of a program, and what its values would take side by side. */
  arenaBytes: number
  unsharedBytes: number
}
