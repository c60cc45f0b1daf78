// The device of a run: the CPU, or a GPU through WebGPU, whose library is loaded only when it is asked for.
import { defaultDevice, setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { DeviceError } from './error'

/** Where to compute. `auto`: a GPU where there is one that fits, else the CPU. */
export type DeviceName = 'auto' | 'cpu' | 'webgpu'

/** Which device to open, and what it may use. */
export interface DeviceOptions {
  /**
   * Part of a WebGPU adapter's name, of any case, where there are several; absent: the one that the platform prefers.
   */
  readonly adapter?: string | undefined
  /** The most bytes to allocate on a WebGPU device; absent: as many as it has. */
  readonly memoryBytes?: number | undefined
  /**
   * Called with each fact about the devices that the user should know, such as why `auto` chose the CPU where a GPU was
   * to be expected.
   */
  readonly onNote?: ((note: string) => void) | undefined
}

const openDefault = (): Device | undefined => {
  try {
    return defaultDevice()
  } catch {
    return undefined
  }
}

async function openWebGpu({ adapter, memoryBytes }: DeviceOptions): Promise<Device> {
  const { openWebGpuDevice } = await import('@jora/tensor/webgpu')
  return openWebGpuDevice({
    ...(adapter === undefined ? {} : { adapter }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
  })
}

/** A GPU that is no software and fits the kernels, open; or undefined, with a note where one came near. */
async function openGpu({ memoryBytes, onNote }: DeviceOptions): Promise<Device | undefined> {
  try {
    const { firstGpu, hasGpu, listAdapters, missingFrom } = await import('@jora/tensor/webgpu')
    if (!(await hasGpu())) return undefined
    const adapters = await listAdapters()
    const gpu = firstGpu(adapters)
    if (gpu) return await openWebGpu({ adapter: gpu.name, memoryBytes })
    for (const adapter of adapters)
      if (!adapter.software) onNote?.(`computing on the CPU: WebGPU: ${missingFrom(adapter)}`)
  } catch (error) {
    onNote?.(`computing on the CPU: ${(error as Error).message}`)
  }
  return undefined
}

/**
 * Opens a device and makes it the default; the default one is returned if it is such a device already.
 * - `auto`: a GPU where there is one that fits, else the CPU
 * - `webgpu`: the adapter that the platform prefers or the one named, a software adapter too
 * @throws DeviceError when there is no such adapter, or its limits are too small
 */
export async function openDevice(name: DeviceName, options: DeviceOptions = {}): Promise<Device> {
  const current = openDefault()
  const particular = options.adapter !== undefined || options.memoryBytes !== undefined
  if (current && !particular && (name === 'auto' || current.kind === name)) return current
  let device: Device | undefined
  if (name === 'auto' && options.adapter === undefined) device = await openGpu(options)
  else if (name !== 'cpu') {
    device = await openWebGpu(options).catch((error: Error) => {
      throw new DeviceError(error.message)
    })
  }
  device ??= current?.kind === 'cpu' ? current : await openCpuDevice()
  setDefaultDevice(device)
  return device
}
