// @jora/tensor/webgpu in Node: devices through Dawn (the `webgpu` package).
import { closeSync, openSync, readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { create, globals } from 'webgpu'
import type { FileRange } from '../backend/backend'
import { describeAdapter, type AdapterDescription } from './adapters'
import { openOnAdapter, type Platform, type WebGpuDevice, type WebGpuDeviceOptions } from './device'

export type { AdapterDescription } from './adapters'
export type { WebGpuDevice, WebGpuDeviceOptions } from './device'
export { referenceGpu, type GpuProfile, type MatrixUnit } from './profile'

/** Dawn instances: collected while a device of theirs lives, the next call would crash. */
const instances: GPU[] = []

function dawn(options: string[]): GPU {
  Object.assign(globalThis, globals)
  const gpu = create(['enable-dawn-features=allow_unsafe_apis', ...options])
  instances.push(gpu)
  return gpu
}

/** Pieces of a file that go to the device in one call. */
const pieceBytes = 2 ** 24

const node: Platform = {
  async readRange(range: FileRange, piece) {
    const file = openSync(range.path, 'r')
    try {
      const bytes = new Uint8Array(Math.min(pieceBytes, range.length))
      for (let done = 0; done < range.length;) {
        const wanted = Math.min(pieceBytes, range.length - done)
        let read = 0
        while (read < wanted) {
          const count = readSync(file, bytes, read, wanted - read, range.offset + done + read)
          if (count === 0) throw new Error(`${range.path} ends before byte ${range.offset + range.length}`)
          read += count
        }
        piece(bytes.subarray(0, read), done)
        done += read
        await setImmediate() // a large model must not block the process while it loads
      }
    } finally {
      closeSync(file)
    }
  },
  // Dawn's pending promises spin; sleeping a millisecond leaves the cores to the software adapter.
  async waitForCpu(promise) {
    let settled = false
    const done = promise.finally(() => (settled = true))
    done.catch(() => {})
    const cell = new Int32Array(new SharedArrayBuffer(4))
    await setImmediate()
    while (!settled) {
      Atomics.wait(cell, 0, 0, 1)
      await setImmediate()
    }
    return done
  },
}

export interface OpenWebGpuOptions extends WebGpuDeviceOptions {
  /** Part of the adapter's name, when there are several. */
  readonly adapter?: string
}

async function requestAdapter(name?: string): Promise<GPUAdapter> {
  const gpu = dawn(name === undefined ? [] : [`adapter=${name}`])
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' })
  if (adapter) return adapter
  throw new Error(
    name === undefined
      ? 'WebGPU: no adapter was found; a GPU with a Vulkan, Metal or Direct3D 12 driver is needed'
      : `WebGPU: no adapter is called “${name}”`,
  )
}

/**
 * Opens a WebGPU device: the adapter the platform prefers, or the one named.
 * @throws when there is no adapter, or its limits are too small
 */
export async function openWebGpuDevice(options: OpenWebGpuOptions = {}): Promise<WebGpuDevice> {
  return openOnAdapter(await requestAdapter(options.adapter), node, options)
}

/** The adapter that `openWebGpuDevice` would open, or undefined when there is none. Nothing is opened. */
export async function findAdapter(name?: string): Promise<AdapterDescription | undefined> {
  try {
    return describeAdapter(await requestAdapter(name))
  } catch {
    return undefined
  }
}
