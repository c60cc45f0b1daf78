// The mesh of a run: devices of this process, and of a job's other processes where a launcher started several.
import { setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice, threadsGiven } from '@jora/tensor/onnx'
import { parseMesh, ShardingError } from '../mesh/mesh'
import { MeshDevice } from '../device/mesh-device'
import type { Transport } from '../device/transport'
import { DeviceError } from './error'
import { openDevice, type DeviceName, type DeviceOptions } from './open-device'

/** Who starts a run's processes. `auto`: a launcher where this process was started by one, else nobody. */
export type Launcher = 'auto' | 'none' | 'mpi'

/** Which mesh to open, and on which devices. */
export interface MeshOptions extends DeviceOptions {
  /** Devices along each axis, as `data=1,model=4`. */
  readonly mesh: string
  /** Who started the processes of the job (default `auto`). */
  readonly launcher?: Launcher | undefined
}

/** The process this one is of its job: devices of all its host's processes share the host. */
interface Place {
  readonly localRank: number
  readonly localSize: number
}

/** GPUs for `count` mesh positions of this process: each its own where there are enough, by name. */
async function openGpus(count: number, { localRank, localSize }: Place, options: DeviceOptions): Promise<Device[]> {
  const { firstGpu, listAdapters, missingFrom, openWebGpuDevice } = await import('@jora/tensor/webgpu')
  const memory = options.memoryBytes === undefined ? {} : { memoryBytes: options.memoryBytes }
  const all = await listAdapters()
  // Of GPUs of one name only the first can be opened.
  const named = new Map(all.map((a) => [a.name, a]))
  const usable = [...named.values()].filter((a) => missingFrom(a) === undefined)
  const gpus = usable.filter((a) => !a.software)
  const wanted = options.adapter?.toLowerCase()
  const chosen =
    wanted === undefined
      ? gpus.length > 0
        ? gpus
        : usable.slice(0, 1)
      : usable.filter((a) => a.name.toLowerCase().includes(wanted))
  if (chosen.length === 0)
    throw new DeviceError(
      wanted === undefined
        ? 'WebGPU: no adapter was found that can run JORA'
        : `WebGPU: no adapter is called “${options.adapter}”; there is ${all.map((a) => a.name).join(' and ') || 'none'}`,
    )
  if (chosen.length < count * localSize && firstGpu(chosen))
    options.onNote?.(
      `${count * localSize} positions of the mesh share ${chosen.length === 1 ? 'the one GPU' : `the ${chosen.length} GPUs`} that can be told apart here: ${chosen.map((a) => a.name).join(', ')}`,
    )
  const devices: Device[] = []
  for (let i = 0; i < count; i++)
    devices.push(await openWebGpuDevice({ adapter: chosen[(localRank * count + i) % chosen.length]!.name, ...memory }))
  return devices
}

/** CPU devices for `count` positions: the host's cores are shared out. */
async function openCpus(count: number, { localSize }: Place): Promise<Device[]> {
  const threads = Math.max(1, Math.floor(threadsGiven() / (count * localSize)))
  const devices: Device[] = []
  for (let i = 0; i < count; i++) devices.push(await openCpuDevice({ threads, manyPrograms: true }))
  return devices
}

/**
 * Opens what `mesh` names and makes it the default device: one device, or a mesh of devices of this process and of the
 * processes that a launcher started beside it, with equally many positions each.
 * @throws ShardingError for a mesh that cannot be parsed, or that the processes cannot share equally; DeviceError when
 * there is no such device, or the devices are not alike; TransportError when the processes cannot reach each other
 */
export async function openMesh(
  name: DeviceName,
  { mesh: text, launcher = 'auto', ...options }: MeshOptions,
): Promise<Device> {
  const mesh = parseMesh(text)
  const launch = launcher === 'none' ? undefined : (await import('../mpi')).detectLauncher(process.env)
  if (launcher === 'mpi' && !launch)
    throw new DeviceError(
      `launcher is mpi, but no launcher started this process; start it as ${(await import('../mpi')).startCommand(mesh.size, '…')}`,
    )
  const processes = launch?.size ?? 1
  if (mesh.size % processes !== 0)
    throw new ShardingError(
      `mesh ${mesh} has ${mesh.size} position${mesh.size === 1 ? '' : 's'}, which ${processes} processes cannot share; start ${mesh.size === 1 ? 'one process' : `${mesh.size} processes`}, or use --mesh model=${processes} or data=${processes}`,
    )
  if (mesh.size === 1) return openDevice(name, options)
  let transport: Transport | undefined
  if (launch && processes > 1) {
    const { guardProcess, openMpi } = await import('../mpi')
    const mpi = await openMpi({ expected: launch })
    guardProcess(mpi)
    transport = mpi
  }
  const place = launch ?? { localRank: 0, localSize: 1 }
  const count = mesh.size / processes
  const cpu = name === 'cpu' || (name === 'auto' && !(await usesGpu(options)))
  const devices = cpu ? await openCpus(count, place) : await openGpus(count, place, options)
  const device = new MeshDevice(mesh, { devices, transport })
  await checkAlike(device)
  setDefaultDevice(device)
  return device
}

/** Processes run the same programs: what decides them must be the same everywhere. @throws DeviceError */
async function checkAlike(device: MeshDevice): Promise<void> {
  const { transport } = device
  if (!transport) return
  const traits = [device.kind === 'cpu' ? 0 : 1, device.computeDTypes.includes('f16') ? 1 : 0]
  const all = await device.gatherNumbers(traits)
  const say = (rank: number): string => {
    const [gpu, f16] = all[rank]!
    return `rank ${rank} on host ${transport.hosts[rank]} computes on ${gpu ? `a GPU ${f16 ? 'with' : 'without'} f16` : 'the CPU'}`
  }
  const other = all.findIndex((each) => each.join() !== all[0]!.join())
  if (other >= 0)
    throw new DeviceError(
      `the devices of a mesh must be alike: ${say(0)}, ${say(other)}; choose with --device${traits[0] ? ' and --gpu' : ''}`,
    )
}

/** Whether `auto` computes on a GPU here. */
async function usesGpu({ adapter, onNote }: DeviceOptions): Promise<boolean> {
  if (adapter !== undefined) return true
  try {
    const { firstGpu, hasGpu, listAdapters } = await import('@jora/tensor/webgpu')
    return (await hasGpu()) && firstGpu(await listAdapters()) !== undefined
  } catch (error) {
    onNote?.(`computing on the CPU: ${(error as Error).message}`)
    return false
  }
}
