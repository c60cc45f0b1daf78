// The flags that say where to compute, and opening what they name.
import type { DTypeSetting } from '@jora/lora'
import { MeshDevice, ShardingError } from '@jora/shard'
import { DeviceError, openMesh, type DeviceName, type Launcher } from '@jora/shard/open'
import type { Device } from '@jora/tensor'
import type { WebGpuDevice } from '@jora/tensor/webgpu'
import { UsageError } from './errors'
import { settingFlags } from './flags/setting-flags'
import { rankOf } from './job'
import { silent, type Io, type Session } from './io'
import { styleFor } from './ui/style'

const { device, gpu, deviceMemory, dtype, mesh, launcher, quantize } = settingFlags

export const deviceFlags = { device, gpu, deviceMemory, dtype }

/** For commands that open a model's weights. */
export const weightFlags = { ...deviceFlags, quantize }

/** For commands that can share their work between devices. */
export const meshFlags = { mesh, launcher }

export interface DeviceValues {
  readonly device: DeviceName
  readonly gpu: string | undefined
  readonly deviceMemory: number | undefined
  readonly dtype: DTypeSetting
  /** Absent: as the weights are stored. */
  readonly quantize?: QuantizeSetting
  /** Absent: one device. */
  readonly mesh?: string
  readonly launcher?: Launcher
}

/** As `--quantize` has it. */
export type QuantizeSetting = 'none' | 'int8' | 'nf4'

/** As log lines name it. */
export const deviceTitle = (device: Device): string => (device.kind === 'cpu' ? device.name : `${device.name}, WebGPU`)

/** The GPU that a device is, or the first of a mesh of them. */
const gpuOf = (device: Device): WebGpuDevice =>
  (device instanceof MeshDevice ? device.devices[0] : device) as WebGpuDevice

/** Whether this process speaks for its job: alone, or the first of several. */
const leads = (device: Device): boolean => !(device instanceof MeshDevice) || (device.transport?.rank ?? 0) === 0

/** The run with its streams where this process speaks for its job, and silent in the job's others. */
export const speaking = (device: Device, session: Session): Session => (leads(device) ? session : silent(session))

/** What every process of a job does once its work is done: they leave together. */
export const leave = async (device: Device): Promise<void> => {
  if (!(device instanceof MeshDevice)) return
  await device.close()
}

/** The device of a run. On a CPU `--device-memory` is what its steps are to fit into. @throws as {@link openDeviceFor} */
export const openRunDevice = (values: DeviceValues, io: Io): Promise<Device> =>
  openDeviceFor(values.device === 'cpu' ? { ...values, deviceMemory: undefined } : values, io)

/** @throws UsageError when there is no such device, or it cannot run JORA */
export async function openDeviceFor(values: DeviceValues, io: Io): Promise<Device> {
  const { device: name, gpu, deviceMemory, dtype, mesh = 'data=1,model=1', launcher } = values
  if (name === 'cpu') {
    if (gpu !== undefined) throw new UsageError('--gpu goes with --device auto or webgpu, not with cpu')
    if (deviceMemory !== undefined)
      throw new UsageError('--device-memory goes with --device auto or webgpu, not with cpu')
  }
  const style = styleFor(io.stderr, io.env)
  // Of a job's processes the first tells for all: their devices are alike.
  const note = (line: string) => {
    if (rankOf(io.env) === 0) io.stderr.write(`${style.yellow(`note: ${line}`)}\n`)
  }
  try {
    const device = await openMesh(name, {
      mesh,
      launcher,
      adapter: gpu,
      memoryBytes: deviceMemory,
      onNote: note,
    })
    if (device.kind === 'webgpu' && gpuOf(device).adapter.software)
      note(`${device.name} is software that computes on the CPU; --device cpu is faster`)
    if (dtype === 'f16' && !device.computeDTypes.includes('f16'))
      throw new UsageError(`--dtype f16: ${device.name} cannot compute in it; use f32, or a GPU with shader-f16`)
    return device
  } catch (error) {
    throw error instanceof DeviceError || error instanceof ShardingError ? new UsageError(error.message) : error
  }
}
