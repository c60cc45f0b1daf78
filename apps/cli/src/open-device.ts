// The flags that say where to compute, and opening what they name.
import { ConfigError, openDevice, type DTypeSetting } from '@jora/lora'
import type { Device } from '@jora/tensor'
import type { WebGpuDevice } from '@jora/tensor/webgpu'
import { UsageError } from './errors'
import { choice, size, text, withDefault } from './flags/flag'
import type { Io } from './io'
import { styleFor } from './ui/style'

export const deviceFlags = {
  device: withDefault(
    choice('where to compute; auto is a GPU if there is one, else the CPU', ['auto', 'cpu', 'webgpu']),
    'auto',
  ),
  gpu: text('part of the name of the GPU to compute on, as `jora devices` lists it', 'NAME'),
  deviceMemory: size('the most memory to take on the GPU, such as 12GB'),
  dtype: withDefault(
    choice('what the model computes in; auto is f16 on a GPU that has it, for 16-bit weights', ['auto', 'f32', 'f16']),
    'auto',
  ),
}

export interface DeviceValues {
  readonly device: 'auto' | 'cpu' | 'webgpu'
  readonly gpu: string | undefined
  readonly deviceMemory: number | undefined
  readonly dtype: DTypeSetting
}

/** As log lines name it. */
export const deviceTitle = ({ kind, name }: Device): string => (kind === 'cpu' ? name : `${name}, WebGPU`)

/** @throws UsageError when there is no such device, or it cannot run JORA */
export async function openDeviceFor({ device: name, gpu, deviceMemory, dtype }: DeviceValues, io: Io): Promise<Device> {
  if (name === 'cpu') {
    if (gpu !== undefined) throw new UsageError('--gpu goes with --device auto or webgpu, not with cpu')
    if (deviceMemory !== undefined)
      throw new UsageError('--device-memory goes with --device auto or webgpu, not with cpu')
  }
  const style = styleFor(io.stderr, io.env)
  const note = (line: string) => io.stderr.write(`${style.yellow(`note: ${line}`)}\n`)
  try {
    const device = await openDevice(name, {
      adapter: gpu,
      memoryBytes: deviceMemory,
      onNote: (reason) => note(`computing on the CPU: ${reason}`),
    })
    if (device.kind === 'webgpu' && (device as WebGpuDevice).adapter.software)
      note(`${device.name} is software that computes on the CPU; --device cpu is faster`)
    if (dtype === 'f16' && !device.computeDTypes.includes('f16'))
      throw new UsageError(`--dtype f16: ${device.name} cannot compute in it; use f32, or a GPU with shader-f16`)
    return device
  } catch (error) {
    throw error instanceof ConfigError ? new UsageError(error.message) : error
  }
}
