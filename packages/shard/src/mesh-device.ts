// The mesh as a device: tensors lie on it in parts, and a program for one device runs on all of them.
import { dtypeBytes, hostArray, sizeOf, Tensor, type Aval, type HostArray } from '@jora/tensor'
import {
  decompose,
  leafValue,
  removeDeadCode,
  showAval,
  simplify,
  Trace,
  withTrace,
  type CompileGraph,
  type CompileOptions,
  type Device,
  type DeviceBuffer,
  type Executable,
  type FileRange,
  type Graph,
  type MemoryStats,
} from '@jora/tensor/graph'
import { ShardingError, type Mesh } from './mesh'
import { partition, type Partitioned } from './partition'
import { localShape, partStart, placementOf, replicated, samePlacement, specOf, type Placement } from './placement'
import { MeshProgram, type Member, type PlacedConstant, type ProgramHost } from './program'
import { describeProgram, type ProgramReport } from './report'
import { reshard } from './reshard'
import { schedule } from './schedule'
import { NamedSharding, type PartitionSpec } from './sharding'
import { Mailboxes, StagingPool } from './staging'
import type { Transport } from './transport'

export interface MeshDeviceOptions {
  /** Devices of this process, in the order of the mesh: all of it, or this process's run of positions. */
  readonly devices: readonly Device[]
  /** Reaches the other processes of the mesh; absent: there are none. */
  readonly transport?: Transport | undefined
}

/** A tensor on a mesh. */
class MeshBuffer implements DeviceBuffer {
  /** One on each device here, once the program that makes it has run. */
  parts: readonly DeviceBuffer[] | undefined
  failure: Error | undefined
  released = false

  constructor(
    readonly device: MeshDevice,
    readonly aval: Aval,
    readonly placement: Placement,
    parts?: readonly DeviceBuffer[],
  ) {
    this.parts = parts
  }
}

/** A program compiled for inputs that lie in one way. */
interface Variant {
  readonly program: MeshProgram
  /** How the inputs must lie. */
  readonly inputs: readonly Placement[]
  readonly outputs: readonly Placement[]
}

const keyOfPlacements = (placements: readonly Placement[]): string => placements.map((p) => p.join()).join(';')

/** Extracts, row-major, the part of `shape` that begins at `starts` and has `part` elements a dimension. */
function hostPart(
  data: HostArray,
  shape: readonly number[],
  starts: readonly number[],
  part: readonly number[],
): HostArray {
  const out = data.slice(0, sizeOf(part))
  // Runs of elements that stand together in both: from the last dimension that is cut.
  let run = 1
  let dim = shape.length - 1
  while (dim >= 0 && part[dim] === shape[dim]) run *= shape[dim--]!
  if (dim < 0) return data.slice()
  run *= part[dim]!
  for (let to = 0; to < out.length; to += run) {
    let [rest, from, stride] = [to, 0, 1]
    for (let i = shape.length - 1; i >= 0; i--) {
      from += ((rest % part[i]!) + starts[i]!) * stride
      rest = Math.floor(rest / part[i]!)
      stride *= shape[i]!
    }
    out.set(data.subarray(from, from + run) as never, to)
  }
  return out
}

/**
 * A mesh of devices behind the interface of one. `jit` traces a function for it as for any device; the program is then
 * partitioned by where its inputs and constants lie, and what moves between devices is moved by the mesh.
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
  /** Calls follow one another. */
  #queue: Promise<void> = Promise.resolve()
  #firstError: Error | undefined
  readonly #conversions = new Map<string, MeshProgram>()
  /** Told of every program that is partitioned, for reports. */
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

  /** Runs after everything queued before; the first failure is kept for `synchronize`. */
  #enqueue(task: () => void | Promise<void>): void {
    this.#queue = this.#queue.then(task).catch((error: Error) => {
      this.#firstError ??= error
    })
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
    const shape = localShape(this.mesh, placement, aval.shape)
    const parts = this.#members.map(({ device, position }) => {
      const starts = aval.shape.map((d, dim) => partStart(this.mesh, placement, dim, d, position))
      const coordinates = this.mesh.coordinates(position)
      // Of terms of a sum the first device of an axis has all, the others nothing.
      const hasTerm = placement.every((state, i) => state !== 'unreduced' || coordinates[i] === 0)
      const part = hasTerm ? hostPart(data, aval.shape, starts, shape) : hostArray(aval.dtype, sizeOf(shape))
      return device.upload(part, { shape, dtype: aval.dtype })
    })
    return new MeshBuffer(this, aval, placement, parts)
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
    const split = [...new Set(placement.filter((state): state is number => typeof state === 'number'))]
    if (placement.includes('unreduced'))
      throw new ShardingError(`${spec}: a tensor in a file is no sum of terms that devices hold`)
    if (split.length === 0) return this.fromFile(range, aval)
    if (split.length > 1 || range.pieces)
      throw new ShardingError(`${spec}: a tensor in a file can be split along one dimension`)
    const [dim] = split as [number]
    const shape = localShape(this.mesh, placement, aval.shape)
    const inner = sizeOf(aval.shape.slice(dim + 1)) * dtypeBytes[aval.dtype]
    const count = sizeOf(aval.shape.slice(0, dim))
    const parts = this.#members.map(({ device, position }) => {
      const start = partStart(this.mesh, placement, dim, aval.shape[dim]!, position)
      const own = { ...range, offset: range.offset + start * inner, length: sizeOf(shape) * dtypeBytes[aval.dtype] }
      const pieces = count > 1 ? { pieces: { count, strideBytes: aval.shape[dim]! * inner } } : {}
      return device.fromFile({ ...own, ...pieces }, { shape, dtype: aval.dtype })
    })
    return new MeshBuffer(this, aval, placement, parts)
  }

  /** How a tensor of this mesh lies. */
  sharding(buffer: DeviceBuffer): NamedSharding {
    const { placement, aval } = this.#own(buffer)
    return new NamedSharding(this.mesh, specOf(this.mesh, placement, aval.shape.length))
  }

  /** The same array, lying as `spec` says; the buffer itself where it does already. */
  reshard(buffer: DeviceBuffer, spec: PartitionSpec): DeviceBuffer {
    const own = this.#own(buffer)
    return this.#convert(own, this.#placement(spec, own.aval))
  }

  /** Queues what brings `buffer` to where it lies as `to`. */
  #convert(buffer: MeshBuffer, to: Placement): MeshBuffer {
    if (samePlacement(buffer.placement, to)) return buffer
    const key = `${showAval(buffer.aval)} ${keyOfPlacements([buffer.placement, to])}`
    let program = this.#conversions.get(key)
    if (!program) {
      const schedules = this.#members.map(({ position }) => {
        const trace = new Trace()
        const local = leafValue({
          dtype: buffer.aval.dtype,
          shape: localShape(this.mesh, buffer.placement, buffer.aval.shape),
        })
        const result = withTrace(trace, () =>
          reshard(Tensor.fromTrace(trace, local), buffer.placement, to, this.mesh, position),
        )
        return schedule({ inputs: [local], constants: [], nodes: trace.nodes, outputs: [result.traced!.value] })
      })
      program = new MeshProgram(
        this.#host,
        schedules,
        this.#members.map(() => []),
        [],
      )
      this.#conversions.set(key, program)
    }
    return this.#start(program, [buffer], [], [{ aval: buffer.aval, placement: to }])[0]!
  }

  /** Queues a run. Inputs are read when their turn comes. */
  #start(
    program: MeshProgram,
    inputs: readonly MeshBuffer[],
    consumed: readonly number[],
    results: readonly { readonly aval: Aval; readonly placement: Placement }[],
  ): MeshBuffer[] {
    const outputs = results.map(({ aval, placement }) => new MeshBuffer(this, aval, placement))
    for (const position of consumed) inputs[position]!.released = true
    this.#enqueue(async () => {
      try {
        const failed = inputs.find((input) => input.failure)
        if (failed) {
          for (const position of consumed) this.#free(inputs[position]!)
          throw failed.failure!
        }
        const made = await program.run(
          this.#members.map((_, m) => inputs.map((input) => input.parts?.[m] ?? lost(input))),
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
        variant = this.#compileFor(graph, constants, given, donated)
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
        const given = buffers.map((buffer) => this.#own(buffer))
        const placed = given.map((buffer, i) => this.#convert(buffer, variant.inputs[i]!))
        // Converted copies are nobody else's; a tensor handed in twice is not the program's to consume.
        const consumed = placed.flatMap((buffer, i) =>
          buffer !== given[i] || (donated.includes(i) && given.indexOf(buffer) === given.lastIndexOf(buffer))
            ? [i]
            : [],
        )
        const results = graph.outputs.map(({ aval }, i) => ({ aval, placement: variant.outputs[i]! }))
        return this.#start(variant.program, placed, consumed, results)
      },
      release: () => this.#enqueue(() => new Set(variants.values()).forEach(({ program }) => program.release())),
    }
  }

  /** Partitions, cuts and compiles `graph` for inputs that lie as `given`, or better. */
  #compileFor(
    graph: CompileGraph,
    constants: readonly MeshBuffer[],
    given: readonly Placement[],
    donated: readonly number[],
  ): Variant {
    const placements = { inputs: given, constants: constants.map((c) => c.placement) }
    const onDevice = (position: number, inputs: readonly Placement[]) =>
      partition(graph, this.mesh, { ...placements, inputs }, position)
    const [first] = this.#members as [Member, ...Member[]]
    // State that a program takes and returns lies as it returns it, from the first call on.
    const inputs = carried(graph, given, onDevice(first.position, given).outputs, donated)
    const parts: Partitioned<CompileGraph['constants'][number]['tensor']>[] = this.#members.map(({ position }) =>
      onDevice(position, inputs),
    )
    const simplified = parts.map(({ graph: local }, m) => {
      const { device } = this.#members[m]!
      const defined = device.decomposes ? decompose(local, ({ op }) => !device.decomposes!(op)) : local
      return simplify(removeDeadCode(defined))
    })
    const schedules = simplified.map((local) => schedule(local))
    const placed = simplified.map((local, m) =>
      local.constants.map(({ value, tensor }): PlacedConstant => {
        const buffer = (tensor.buffer as MeshBuffer).parts![m]!
        // ONNX Runtime maps 16-bit weights from their file when they are bound; as inputs they would be twice as large. Small
        // ones it packs for its products (5% of a step), which is worth a session for each layer.
        const bound = this.kind === 'cpu' && (value.aval.dtype !== 'f32' || weightBytes(local) <= packedBytes)
        return { value, buffer, bound }
      }),
    )
    const program = new MeshProgram(this.#host, schedules, placed, donated)
    this.onProgram?.(
      describeProgram(graph, this.mesh, { ...placements, inputs }, parts[0]!.outputs, schedules[0]!, program.segments),
    )
    return { program, inputs, outputs: parts[0]!.outputs }
  }

  async #settled(buffer: MeshBuffer): Promise<readonly DeviceBuffer[]> {
    await this.#queue
    if (buffer.failure) throw buffer.failure
    return buffer.parts ?? lost(buffer)
  }

  /** With several processes, all of them must read. */
  async read(buffer: DeviceBuffer): Promise<HostArray> {
    const own = this.#own(buffer)
    if (sizeOf(own.aval.shape) === 0) return hostArray(own.aval.dtype, 0)
    const whole = this.#convert(own, replicated(this.mesh))
    const [part] = await this.#settled(whole)
    try {
      return await part!.device.read(part!)
    } finally {
      if (whole !== own) this.release(whole)
    }
  }

  async readInto(buffer: DeviceBuffer, target: Uint8Array): Promise<void> {
    const data = await this.read(buffer)
    target.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }

  #free(buffer: MeshBuffer): void {
    for (const part of buffer.parts ?? []) part.device.release(part)
    buffer.parts = undefined
  }

  release(buffer: DeviceBuffer): void {
    const own = this.#own(buffer)
    if (own.released) return
    own.released = true
    this.#enqueue(() => this.#free(own))
  }

  /** Of all devices here together. CPU devices share their process's memory. */
  async memory(): Promise<MemoryStats> {
    const each = await this.memories()
    if (this.kind === 'cpu') return each[0]!
    return { bytes: each.reduce((n, m) => n + m.bytes, 0), peakBytes: each.reduce((n, m) => n + m.peakBytes, 0) }
  }

  /** Runs `task` in its turn, after all that is queued, and gives what it returns. */
  #inTurn<R>(task: () => Promise<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#enqueue(() => task().then(resolve, reject))
    })
  }

  /**
   * The numbers that each process of the job passes, by rank: how they agree on what only one of them knows. All of them must
   * call it with as many.
   */
  async gatherNumbers(numbers: readonly number[]): Promise<readonly (readonly number[])[]> {
    const { transport } = this
    if (!transport) return [numbers]
    const own = Float64Array.from(numbers)
    const all = Array.from({ length: transport.size }, () => new Float64Array(numbers.length))
    all[transport.rank] = own
    const others = all.flatMap((_, rank) => (rank === transport.rank ? [] : [rank]))
    const message = (rank: number, data: Float64Array) => ({ rank, tag: 0, bytes: new Uint8Array(data.buffer) })
    const [outgoing, incoming] = [
      others.map((rank) => message(rank, own)),
      others.map((rank) => message(rank, all[rank]!)),
    ]
    await this.#inTurn(() => transport.exchange(outgoing, incoming, 'numbers of each process'))
    return all.map((data) => [...data])
  }

  /** The bytes that process 0 passes, in every process of the job; the others pass nothing. */
  async fromFirst(bytes?: Uint8Array): Promise<Uint8Array> {
    const { transport } = this
    if (!transport) return bytes!
    const [[length]] = (await this.gatherNumbers([bytes?.length ?? 0])) as [[number]]
    if (transport.rank !== 0) {
      const received = new Uint8Array(length)
      await this.#inTurn(() =>
        transport.exchange([], [{ rank: 0, tag: 0, bytes: received }], 'what the first process has read'),
      )
      return received
    }
    const others = Array.from({ length: transport.size - 1 }, (_, i) => ({ rank: i + 1, tag: 0, bytes: bytes! }))
    await this.#inTurn(() => transport.exchange(others, [], 'what the first process has read'))
    return bytes!
  }

  /** Of each device here. */
  memories(): Promise<MemoryStats[]> {
    return Promise.all(this.#members.map(({ device }) => device.memory()))
  }

  async synchronize(): Promise<void> {
    await this.#queue
    const error = this.#firstError
    this.#firstError = undefined
    // Every device is asked, so that none keeps what went wrong for a later call.
    const each = await Promise.allSettled(this.#members.map(({ device }) => device.synchronize()))
    const failed = each.find((result) => result.status === 'rejected')
    if (error ?? failed) throw error ?? failed!.reason
  }

  async close(): Promise<void> {
    await this.#queue
    await Promise.all(this.#members.map(({ device }) => device.close()))
    await this.transport?.close()
  }
}

/** Weights of a CPU device that may be held twice, packed for its products. */
const packedBytes = 2 ** 26

const weightBytes = ({ constants }: Graph): number =>
  constants.reduce((n, { value: { aval } }) => n + sizeOf(aval.shape) * dtypeBytes[aval.dtype], 0)

const lost = (buffer: MeshBuffer): never => {
  throw new Error(`a ${showAval(buffer.aval)} was released before it was used`)
}

/**
 * Placements for the inputs of a program that gives some of them up: the k-th donated input of a shape is taken for what
 * the k-th output of that shape is the next state of, and lies as that output does.
 */
function carried(
  graph: Graph,
  given: readonly Placement[],
  outputs: readonly Placement[],
  donated: readonly number[],
): readonly Placement[] {
  const left = graph.outputs.map((value, i) => ({ aval: showAval(value.aval), i }))
  const inputs = [...given]
  for (const position of donated) {
    const aval = showAval(graph.inputs[position]!.aval)
    const next = left.findIndex((output) => output.aval === aval)
    if (next < 0) continue
    inputs[position] = outputs[left[next]!.i]!
    left.splice(next, 1)
  }
  return inputs
}
