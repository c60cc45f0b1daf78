// A device that plans and runs nothing: programs are lowered as for a real adapter and their memory is counted.
import type {
  CompileGraph,
  CompileOptions,
  Device,
  DeviceBuffer,
  Executable,
  FileRange,
  MemoryStats,
} from '../../backend/backend'
import { hostArray, type HostArray } from '../../dtype'
import type { Aval } from '../../ir/op'
import { sizeOf } from '../../shape'
import type { WebGpuCounters } from './platform'
import { lowerGraph, type Lowered } from '../fusion/lower'
import type { GpuProfile } from './profile'
import { elementType, storedBytes } from '../fusion/storage'

class PlannedBuffer implements DeviceBuffer {
  /** Whether its bytes are counted: a tensor in a file is from the first program that reads it. */
  counted = false
  constructor(
    readonly device: PlanningDevice,
    readonly aval: Aval,
  ) {}
}

/** Counts what a run would take on an adapter that need not be here. Reads give zeros. */
export class PlanningDevice implements Device {
  readonly kind = 'webgpu'
  readonly name: string
  readonly computeDTypes: readonly ('f32' | 'f16')[]
  readonly counters: WebGpuCounters = {
    runs: 0,
    dispatches: 0,
    buffers: 0,
    pipelines: 0,
    arenaBytes: 0,
    unsharedBytes: 0,
  }
  /** Programs in the order in which they were compiled. */
  readonly programs: Lowered[] = []
  #bytes = 0
  #peakBytes = 0

  constructor(readonly profile: GpuProfile) {
    this.name = `plan for ${profile.name}`
    this.computeDTypes = profile.f16 ? ['f16', 'f32'] : ['f32']
  }

  #count(buffer: DeviceBuffer): void {
    const own = buffer as PlannedBuffer
    if (own.counted) return
    own.counted = true
    this.#add(this.#bytesOf(own.aval))
  }

  #add(bytes: number): void {
    this.#bytes += bytes
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes)
  }

  #bytesOf({ dtype, shape }: Aval): number {
    return storedBytes(elementType(dtype, this.profile), sizeOf(shape))
  }

  upload(_data: HostArray, aval: Aval): DeviceBuffer {
    const buffer = new PlannedBuffer(this, aval)
    this.#count(buffer)
    return buffer
  }

  fromFile(_range: FileRange, aval: Aval): DeviceBuffer {
    return new PlannedBuffer(this, aval)
  }

  compile(graph: CompileGraph, { donated = [] }: CompileOptions = {}): Executable {
    const lowered = lowerGraph(graph, this.profile, { donated })
    this.programs.push(lowered)
    this.counters.pipelines += new Set(lowered.dispatches.map((d) => d.code)).size
    const arenaBytes = lowered.memory.pageBytes.reduce((n, bytes) => n + bytes, 0)
    if (arenaBytes > this.counters.arenaBytes) {
      // One arena serves all programs of a device.
      this.#add(arenaBytes - this.counters.arenaBytes)
      this.counters.arenaBytes = arenaBytes
      this.counters.unsharedBytes = lowered.memory.unsharedBytes
    }
    for (const { tensor } of graph.constants) this.#count(tensor.buffer)
    return {
      ready: Promise.resolve(),
      run: (inputs) => {
        inputs.forEach((buffer) => this.#count(buffer))
        this.counters.runs++
        this.counters.dispatches += lowered.dispatches.length
        return graph.outputs.map(({ aval }, i) => {
          const output = new PlannedBuffer(this, aval)
          const replaced = lowered.replaces[i]
          if (replaced === undefined) this.#count(output)
          else {
            // The input's memory goes on as the output's.
            output.counted = true
            ;(inputs[replaced] as PlannedBuffer).counted = false
          }
          return output
        })
      },
      release: () => {},
    }
  }

  read(buffer: DeviceBuffer): Promise<HostArray> {
    return Promise.resolve(hostArray(buffer.aval.dtype, sizeOf(buffer.aval.shape)))
  }

  async readInto(): Promise<void> {}

  release(buffer: DeviceBuffer): void {
    const own = buffer as PlannedBuffer
    if (!own.counted) return
    own.counted = false
    this.#bytes -= this.#bytesOf(own.aval)
  }

  memory(): Promise<MemoryStats> {
    return Promise.resolve({ bytes: this.#bytes, peakBytes: this.#peakBytes })
  }

  async synchronize(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Opens a device that only plans for an adapter like `profile`. */
export const openPlanningDevice = (profile: GpuProfile): PlanningDevice => new PlanningDevice(profile)
