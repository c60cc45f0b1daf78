// A lowered graph on a device: pipelines, bind groups and the one pass in which all its dispatches run.
import type { Allocation } from './allocator'
import type { Lowered } from '../fusion/lower'
import type { Dispatch } from '../fusion/module'
import type { Storage } from '../fusion/storage'

/** What a program needs of its device. */
export interface ProgramHost {
  readonly gpu: GPUDevice
  pipeline(dispatch: Dispatch): Promise<GPUComputePipeline>
  /** The arena's page, at least `bytes` long. */
  page(index: number, bytes: number): Allocation
}

const alignment = 256

/** Bind groups of different buffers that are kept for one dispatch. */
const keptBindGroups = 16

export class Program {
  #pipelines: GPUComputePipeline[] = []
  readonly #groups: Map<string, GPUBindGroup>[]
  /** Where each dispatch's parameters begin in the program's own buffer. */
  readonly #parameterOffsets: number[] = []
  readonly #parameterWords: number[] = []
  #parameters: GPUBuffer | undefined

  constructor(
    readonly host: ProgramHost,
    readonly lowered: Lowered,
  ) {
    this.#groups = lowered.dispatches.map(() => new Map())
    for (const { parameters } of lowered.dispatches) {
      this.#parameterOffsets.push(this.#parameterWords.length * 4)
      if (parameters.length === 0) continue
      this.#parameterWords.push(...parameters)
      while ((this.#parameterWords.length * 4) % alignment !== 0) this.#parameterWords.push(0)
    }
  }

  /** Bytes of what stays on the device for this program alone. */
  get parameterBytes(): number {
    return this.#parameterWords.length * 4
  }

  async prepare(): Promise<void> {
    this.#pipelines = await Promise.all(this.lowered.dispatches.map((dispatch) => this.host.pipeline(dispatch)))
    if (this.#parameterWords.length === 0) return
    const { gpu } = this.host
    this.#parameters = gpu.createBuffer({
      size: this.#parameterWords.length * 4,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
      label: 'parameters',
    })
    gpu.queue.writeBuffer(this.#parameters, 0, Uint32Array.from(this.#parameterWords))
  }

  /** Encodes every dispatch; `of` says where inputs, constants and outputs are. */
  encode(pass: GPUComputePassEncoder, of: (storage: Storage) => Allocation): void {
    this.lowered.dispatches.forEach((dispatch, i) => {
      pass.setPipeline(this.#pipelines[i]!)
      pass.setBindGroup(0, this.#bindGroup(dispatch, i, of))
      pass.dispatchWorkgroups(...dispatch.workgroups)
    })
  }

  #bindGroup(dispatch: Dispatch, i: number, of: (storage: Storage) => Allocation): GPUBindGroup {
    const { places, memory } = this.lowered
    const resources = dispatch.bindings.map(({ storage, offset, size }) => {
      const place = places.get(storage)
      const allocation = place ? this.host.page(place.page, memory.pageBytes[place.page]!) : of(storage)
      return { allocation, offset: offset + (place?.offset ?? 0), size }
    })
    const key = resources.map((r) => r.allocation.number).join()
    const groups = this.#groups[i]!
    const known = groups.get(key)
    if (known) return known
    if (groups.size >= keptBindGroups) groups.delete(groups.keys().next().value!)
    const entries: GPUBindGroupEntry[] = resources.map(({ allocation, offset, size }, binding) => ({
      binding,
      resource: { buffer: allocation.buffer, offset, size },
    }))
    if (dispatch.parameters.length > 0)
      entries.push({
        binding: entries.length,
        resource: {
          buffer: this.#parameters!,
          offset: this.#parameterOffsets[i]!,
          size: dispatch.parameters.length * 4,
        },
      })
    const group = this.host.gpu.createBindGroup({ layout: this.#pipelines[i]!.getBindGroupLayout(0), entries })
    groups.set(key, group)
    return group
  }

  release(): void {
    this.#parameters?.destroy()
    for (const groups of this.#groups) groups.clear()
  }
}
