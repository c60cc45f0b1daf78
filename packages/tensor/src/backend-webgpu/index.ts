// @jora/tensor/webgpu in Node: devices through Dawn (the `webgpu` package).
import { setImmediate } from 'node:timers/promises'
import type { FileRange } from '../backend/backend'
import { SharedFile } from '../files/shared-file'
import { describeAdapter, nameAdapter, type AdapterDescription } from './device/adapters'
import { openOnAdapter, type WebGpuDevice } from './device/device'
import type { Platform, WebGpuDeviceOptions } from './device/platform'
import { tuningFile } from './device/tuning-file'
import { cannotLoad, dawnOptions, namesIn, noName } from './probe'

export { firstGpu, missingFrom, type AdapterDescription } from './device/adapters'
export type { WebGpuDevice } from './device/device'
export type { WebGpuDeviceOptions } from './device/platform'
export { openPlanningDevice, type PlanningDevice } from './device/planning'
export { referenceGpu, type GpuProfile, type MatrixUnit } from './device/profile'
export { hasGpu, listAdapters } from './probe'

/** Dawn instances: collected while a device of theirs lives, the next call would crash. */
const instances: GPU[] = []

/** Dawn is a large library: it is loaded when the first adapter is asked for. */
async function dawn(options: string[]): Promise<GPU> {
  const { create, globals } = await import('webgpu').catch((error: Error) => {
    throw cannotLoad(error)
  })
  Object.assign(globalThis, globals)
  const gpu = create([...dawnOptions, ...options])
  instances.push(gpu)
  return gpu
}

/** Pieces of a file that go to the device in one call. */
const pieceBytes = 2 ** 24

const node: Platform = {
  tuning: tuningFile,
  async readRange(range: FileRange, piece) {
    using file = SharedFile.open(range.path)
    const { count, strideBytes } = range.pieces ?? { count: 1, strideBytes: range.length }
    const rangeBytes = range.length / count
    /** Fills `target` from the byte `at` of the file. */
    const fill = (target: Uint8Array, at: number) => {
      if (file.readNow(target, at) < target.length)
        throw new Error(`${range.path} ends before byte ${at + target.length}`)
    }
    const bytes = new Uint8Array(Math.min(pieceBytes, range.length))
    for (let done = 0; done < range.length;) {
      const wanted = Math.min(bytes.length, range.length - done)
      for (let filled = 0; filled < wanted;) {
        const [index, within] = [Math.floor((done + filled) / rangeBytes), (done + filled) % rangeBytes]
        const length = Math.min(wanted - filled, rangeBytes - within)
        fill(bytes.subarray(filled, filled + length), range.offset + index * strideBytes + within)
        filled += length
      }
      piece(bytes.subarray(0, wanted), done)
      done += wanted
      await setImmediate() // a large model must not block the process while it loads
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

/** Which adapter to open, and how. */
export interface OpenWebGpuOptions extends WebGpuDeviceOptions {
  /** Part of the adapter's name in any case; without it the adapter the platform prefers. */
  readonly adapter?: string
}

/** Names of the adapters, the preferred one first. Identical GPUs have one name, and only the first of them can be opened. */
async function adapterNames(): Promise<string[]> {
  const gpu = await dawn([`adapter=${noName}`])
  try {
    await gpu.requestAdapter({ powerPreference: 'high-performance' })
    return []
  } catch (error) {
    return namesIn(String(error))
  }
}

async function request(options: string[]): Promise<GPUAdapter | undefined> {
  const gpu = await dawn(options)
  return (await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null)) ?? undefined
}

async function requestNamed(name: string): Promise<GPUAdapter | undefined> {
  const adapter = await request([`adapter=${name}`])
  return adapter && nameAdapter(adapter, name)
}

async function requestAdapter(part?: string): Promise<GPUAdapter> {
  const all = await adapterNames()
  if (part === undefined) {
    const adapter = all[0] === undefined ? await request([]) : await requestNamed(all[0])
    if (adapter) return adapter
    throw new Error('WebGPU: no adapter was found; a GPU with a Vulkan, Metal or Direct3D 12 driver is needed')
  }
  const name = all.find((known) => known.toLowerCase().includes(part.toLowerCase()))
  const adapter = name === undefined ? undefined : await requestNamed(name)
  if (adapter) return adapter
  throw new Error(
    `WebGPU: no adapter is called “${part}”; ${all.length > 0 ? `there is ${all.join(' and ')}` : 'there is none at all'}`,
  )
}

/**
 * Opens a WebGPU device: the adapter the platform prefers, or the one named.
 * @throws when there is no such adapter, or its limits are too small
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
