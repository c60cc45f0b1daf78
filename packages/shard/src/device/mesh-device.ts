// The mesh as a device: tensors are placed on it in parts, and a program for one device runs on all of them.
import { hostArray, sizeOf, type Aval, type HostArray } from '@jora/tensor'
import {
  forgetDevice,
  showAval,
  type CompileGraph,
  type CompileOptions,
  type Device,
  type DeviceBuffer,
  type Executable,
  type FileRange,
  type MemoryStats,
} from '@jora/tensor/graph'
import { ShardingError, type Mesh } from '../mesh/mesh'
import { placementOf, replicated, samePlacement, specOf, type Placement } from '../mesh/placement'
import { NamedSharding, type PartitionSpec } from '../mesh/sharding'
import { compileConversion, compileVariant, keyOfPlacements, type Variant } from './compile'
import { fromFirst, gatherNumbers } from './job'
import type { Member } from './member-program'
import { fileParts, MeshBuffer, uploadParts } from './mesh-buffer'
import type { MeshProgram, ProgramHost } from './program'
import type { ProgramReport } from './report'
import { Mailboxes, StagingPool } from './staging'
import type { Transport } from './transport'
import { Turns } from './turns'

/** The devices that a {@link MeshDevice} is made of. */
export interface MeshDeviceOptions {
  /** Devices of this process, in the order of the mesh: all of it, or this process's run of positions. */
  readonly devices: readonly Device[]
  /** Reaches the other processes of the mesh; absent: there are none. */
  readonly transport?: Transport | undefined
}

/**
 * A mesh of devices behind the interface of one. `jit` traces a function for it as for any device; the program is then
 * partitioned by where its inputs and constants are placed, and what moves between devices is moved by the mesh.
 *
 * With a transport, every process of the job runs the same calls in the same order, and has its own devices.
 */
export class MeshDevice implements Device {
  readonly kind: Device['kind']
  readonly name: string
  readonly computeDTypes: Device['computeDTypes']
  readonly mesh: Mesh
  readonly transport: Transport | undefined
  readonly #members: readonly Member[]
  readonly #host: ProgramHost
  readonly #turns = new Turns()
  readonly #conversions = new Map<string, MeshProgram>()
  /** Called with every program that is partitioned, for reports. */
  onProgram: ((report: ProgramReport) => void) | undefined

  /** @throws ShardingError when devices and mesh do not fit */
  constructor(mesh: Mesh, { devices, transport }: MeshDeviceOptions) {
    const processes = transport?.size ?? 1
    if (devices.length * processes !== mesh.size)
      throw new ShardingError(
        `mesh ${mesh} has ${mesh.size} positions, there are ${devices.length} devices${processes > 1 ? ` in each of ${processes} processes` : ''}`,
      )
    const first = (transport?.rank ?? 0) * devices.length
    this.mesh = mesh
    this.transport = transport
    this.#members = devices.map((device, i) => ({ position: first + i, device, segments: new Map() }))
    const [any] = devices as [Device, ...Device[]]
    const other = devices.find((d) => d.kind !== any.kind)
    if (other)
      throw new ShardingError(
        `a mesh needs devices of one kind, got ${any.kind} (${any.name}) and ${other.kind} (${other.name})`,
      )
    this.kind = any.kind
    this.name = `mesh ${mesh} of ${any.name}`
    this.computeDTypes = any.computeDTypes.filter((dtype) => devices.every((d) => d.computeDTypes.includes(dtype)))
    this.#host = {
      mesh,
      members: this.#members,
      staging: new StagingPool(),
      mailboxes: !transport && devices.every((d) => d.put && d.collect) ? new Mailboxes() : undefined,
      transport,
      rankOf: (position) => Math.floor(position / devices.length),
    }
  }

  /** Devices of this process. */
  get devices(): readonly Device[] {
    return this.#members.map((m) => m.device)
  }

  #own(buffer: DeviceBuffer): MeshBuffer {
    if (buffer instanceof MeshBuffer && buffer.device === this) return buffer
    throw new Error(`a buffer of ${buffer.device.name} was given to ${this.name}`)
  }

  /** @throws Error for a buffer of another device, or one that was given up */
  #usable(buffer: DeviceBuffer): MeshBuffer {
    const own = this.#own(buffer)
    if (own.released) throw new Error(`a ${showAval(own.aval)} was released before it was used`)
    return own
  }

  upload(data: HostArray, aval: Aval): DeviceBuffer {
    const parts = this.#members.map(({ device }) => device.upload(data, aval))
    return new MeshBuffer(this, aval, replicated(this.mesh), parts)
  }

  /** The placement of an array of `aval` by `spec`. @throws ShardingError when it does not fit */
  #placement(spec: PartitionSpec, aval: Aval): Placement {
    new NamedSharding(this.mesh, spec).shardShape(aval.shape)
    return placementOf(this.mesh, spec)
  }

  /** Uploads to each device its part of `data`. @throws ShardingError when the array does not divide so */
  uploadSharded(data: HostArray, aval: Aval, spec: PartitionSpec): DeviceBuffer {
    const placement = this.#placement(spec, aval)
    return new MeshBuffer(this, aval, placement, uploadParts(this.mesh, this.#members, data, aval, placement))
  }

  fromFile(range: FileRange, aval: Aval): DeviceBuffer {
    const parts = this.#members.map(({ device }) => device.fromFile(range, aval))
    return new MeshBuffer(this, aval, replicated(this.mesh), parts)
  }

  /**
   * A tensor that stays in its file, of which each device reads its own part only. One dimension may be split.
   * @throws ShardingError when the array does not divide so
   */
  fromFileSharded(range: FileRange, aval: Aval, spec: PartitionSpec): DeviceBuffer {
    const placement = this.#placement(spec, aval)
    return new MeshBuffer(this, aval, placement, fileParts(this.mesh, this.#members, range, aval, placement, spec))
  }

  /** How a tensor of this mesh is placed. */
  sharding(buffer: DeviceBuffer): NamedSharding {
    const { placement, aval } = this.#own(buffer)
    return new NamedSharding(this.mesh, specOf(this.mesh, placement, aval.shape.length))
  }

  /** The same array, lying as `spec` says; the buffer itself where it does already. */
  reshard(buffer: DeviceBuffer, spec: PartitionSpec): DeviceBuffer {
    const own = this.#usable(buffer)
    return this.#convert(own, this.#placement(spec, own.aval))
  }

  /** Queues what brings `buffer` to the placement `to`. */
  #convert(buffer: MeshBuffer, to: Placement): MeshBuffer {
    if (samePlacement(buffer.placement, to)) return buffer
    const key = `${showAval(buffer.aval)} ${keyOfPlacements([buffer.placement, to])}`
    let program = this.#conversions.get(key)
    if (!program) {
      program = compileConversion(this.#host, buffer.aval, buffer.placement, to)
      this.#conversions.set(key, program)
    }
    return this.#start(program, [buffer], [{ aval: buffer.aval, placement: to }])[0]!
  }

  /** Queues a run. What it reads is looked up when its turn comes; `consumed` are positions of inputs that it uses up. */
  #start(
    program: MeshProgram,
    inputs: readonly MeshBuffer[],
    results: readonly { readonly aval: Aval; readonly placement: Placement }[],
    { consumed = [], constants = [] }: { consumed?: readonly number[]; constants?: readonly MeshBuffer[] } = {},
  ): MeshBuffer[] {
    const outputs = results.map(({ aval, placement }) => new MeshBuffer(this, aval, placement))
    for (const position of consumed) inputs[position]!.released = true
    this.#turns.add(async () => {
      try {
        try {
          for (const buffer of [...inputs, ...constants]) buffer.part(0)
        } catch (error) {
          for (const position of consumed) inputs[position]!.free()
          throw error
        }
        const made = await program.run(
          this.#members.map((_, m) => inputs.map((input) => input.part(m))),
          consumed,
        )
        outputs.forEach((output, i) => (output.parts = made.map((ofMember) => ofMember[i]!)))
      } catch (error) {
        for (const output of outputs) output.failure = error as Error
        throw error
      }
    })
    return outputs
  }

  compile(graph: CompileGraph, { donated = [], inputs: example }: CompileOptions = {}): Executable {
    const variants = new Map<string, Variant>()
    const constants = graph.constants.map((c) => this.#own(c.tensor.buffer))
    const variantFor = (given: readonly Placement[]): Variant => {
      const key = keyOfPlacements(given)
      let variant = variants.get(key)
      if (!variant) {
        variant = compileVariant(this.#host, graph, constants, given, donated, this.onProgram)
        variants.set(key, variant)
        variants.set(keyOfPlacements(variant.inputs), variant)
      }
      return variant
    }
    const placementsOf = (buffers: readonly DeviceBuffer[]) => buffers.map((buffer) => this.#own(buffer).placement)
    const ready = example ? variantFor(placementsOf(example)).program.ready : Promise.resolve()
    ready.catch(() => {}) // also told by every result of the program
    return {
      ready,
      run: (buffers) => {
        const variant = variantFor(placementsOf(buffers))
        const given = buffers.map((buffer) => this.#usable(buffer))
        const placed = given.map((buffer, i) => this.#convert(buffer, variant.inputs[i]!))
        // Converted copies are nobody else's; a tensor handed in twice is not the program's to consume.
        const consumed = placed.flatMap((buffer, i) =>
          buffer !== given[i] || (donated.includes(i) && given.indexOf(buffer) === given.lastIndexOf(buffer))
            ? [i]
            : [],
        )
        const results = graph.outputs.map(({ aval }, i) => ({ aval, placement: variant.outputs[i]! }))
        return this.#start(variant.program, placed, results, { consumed, constants })
      },
      release: () => this.#turns.add(() => new Set(variants.values()).forEach(({ program }) => program.release())),
    }
  }

  /** With several processes, all of them must read. */
  async read(buffer: DeviceBuffer): Promise<HostArray> {
    const own = this.#usable(buffer)
    if (sizeOf(own.aval.shape) === 0) return hostArray(own.aval.dtype, 0)
    const whole = this.#convert(own, replicated(this.mesh))
    // In its turn like everything else: a release or a run that comes after it must not take the part away before.
    const data = this.#turns.start(() => {
      const part = whole.part(0)
      return part.device.read(part)
    })
    if (whole !== own) this.release(whole)
    return data
  }

  async readInto(buffer: DeviceBuffer, target: Uint8Array): Promise<void> {
    const data = await this.read(buffer)
    target.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }

  release(buffer: DeviceBuffer): void {
    const own = this.#own(buffer)
    if (own.released) return
    own.released = true
    this.#turns.add(() => own.free())
  }

  /** Of all devices here together. CPU devices share their process's memory. */
  async memory(): Promise<MemoryStats> {
    const each = await this.memories()
    if (this.kind === 'cpu') return each[0]!
    return { bytes: each.reduce((n, m) => n + m.bytes, 0), peakBytes: each.reduce((n, m) => n + m.peakBytes, 0) }
  }

  /**
   * The numbers that each process of the job passes, by rank: how they agree on what only one of them knows. All of them must
   * call it with as many.
   */
  async gatherNumbers(numbers: readonly number[]): Promise<readonly (readonly number[])[]> {
    const { transport } = this
    return transport ? this.#turns.run(() => gatherNumbers(transport, numbers)) : [numbers]
  }

  /** The bytes that process 0 passes, in every process of the job; the others pass nothing. */
  async fromFirst(bytes?: Uint8Array): Promise<Uint8Array> {
    const { transport } = this
    return transport ? this.#turns.run(() => fromFirst(transport, bytes)) : bytes!
  }

  /** Of each device here. */
  memories(): Promise<MemoryStats[]> {
    return Promise.all(this.#members.map(({ device }) => device.memory()))
  }

  async synchronize(): Promise<void> {
    const error = await this.#turns.settled()
    // Every device is asked, so that none keeps what went wrong for a later call.
    const each = await Promise.allSettled(this.#members.map(({ device }) => device.synchronize()))
    const failed = each.find((result) => result.status === 'rejected')
    if (error ?? failed) throw error ?? failed!.reason
  }

  async close(): Promise<void> {
    forgetDevice(this)
    await this.#turns.settled()
    await Promise.all(this.#members.map(({ device }) => device.close()))
    await this.transport?.close()
  }
}
