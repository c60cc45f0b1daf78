// A program of the mesh: what each device here runs of it, segment by segment, and what they send one another between.
import { dtypeBytes, sizeOf, viewAs } from '@jora/tensor'
import {
  keyOf,
  showAval,
  type Device,
  type DeviceBuffer,
  type Executable,
  type Graph,
  type Value,
} from '@jora/tensor/graph'
import type { Mesh } from './mesh'
import type { Exchange, Schedule, Segment } from './schedule'
import type { Mailboxes, StagingPool } from './staging'
import type { Message, Transport } from './transport'

/** A device of this process and where it stands in the mesh. */
export interface Member {
  readonly position: number
  readonly device: Device
  /** Segments compiled for it, by what they compute: layers that are alike share theirs. */
  readonly segments: Map<string, { readonly executable: Executable; users: number }>
}

/** What a program needs of the mesh it runs on. */
export interface ProgramHost {
  readonly mesh: Mesh
  readonly members: readonly Member[]
  readonly staging: StagingPool
  /** Between devices that hand one another tensors by themselves; absent where any of them cannot. */
  readonly mailboxes: Mailboxes | undefined
  readonly transport: Transport | undefined
  /** The process that a position of the mesh belongs to. */
  rankOf(position: number): number
}

/** A graph as text that is equal for graphs that compute the same. */
function segmentKey(graph: Graph, donated: readonly number[]): string {
  const ids = new Map<Value, number>()
  const idOf = (value: Value) => ids.get(value) ?? (ids.set(value, ids.size), ids.size - 1)
  const inputs = graph.inputs.map((value) => (idOf(value), showAval(value.aval)))
  const nodes = graph.nodes.map((node) => {
    const args = node.inputs.map(idOf)
    node.outputs.forEach(idOf)
    return `${node.op}(${args.join()})${keyOf(node.params)}`
  })
  return [inputs.join(), ...nodes, graph.outputs.map(idOf).join(), donated.join()].join('\n')
}

/** A constant of a device's program: the weight's part there. */
export interface PlacedConstant {
  readonly value: Value
  readonly buffer: DeviceBuffer
  /** Bound when the segment is compiled, so that a backend may leave it in its file; else handed in like an input. */
  readonly bound: boolean
}

interface CompiledStep {
  readonly executable: Executable | undefined
  readonly reads: readonly Value[]
}

/** Segments that no other shares, in all programs. */
let ownSegments = 0

/** The part of one device. */
class MemberProgram {
  readonly constants: ReadonlyMap<Value, PlacedConstant>
  readonly steps: readonly CompiledStep[]
  readonly #keys: string[] = []

  constructor(
    readonly member: Member,
    readonly schedule: Schedule,
    constants: readonly PlacedConstant[],
    /** Positions of the program's inputs that it may consume. */
    donated: readonly number[],
  ) {
    this.constants = new Map(constants.map((c) => [c.value, c]))
    const consumable = new Set(schedule.inputs.filter((_, i) => donated.includes(i)))
    const borrowed = new Set<Value>([...schedule.inputs, ...schedule.constants].filter((v) => !consumable.has(v)))
    // What a device sends itself stays where it is: two values then stand on one buffer, and neither may be consumed.
    const sent = new Set(schedule.steps.flatMap((step) => step.exchanges.flatMap((e) => [...e.outgoing, ...e.parts])))
    this.steps = schedule.steps.map(({ segment, dead }) => {
      if (!segment) return { executable: undefined, reads: [] }
      const dying = new Set(dead.filter((v) => !borrowed.has(v) && !sent.has(v)))
      return this.#compile(segment, dying)
    })
  }

  #compile(segment: Segment, dying: ReadonlySet<Value>): CompiledStep {
    const bound = segment.reads.map((value) =>
      this.constants.get(value)?.bound ? this.constants.get(value)! : undefined,
    )
    const reads = segment.reads.filter((_, i) => !bound[i])
    const inputs = segment.graph.inputs.filter((_, i) => !bound[i])
    const constants = segment.graph.inputs.flatMap((value, i) =>
      bound[i] ? [{ value, tensor: { buffer: bound[i].buffer } }] : [],
    )
    const donated = reads.flatMap((value, i) => (dying.has(value) ? [i] : []))
    const graph = { ...segment.graph, inputs, constants }
    // Weights that are bound make a segment one of its kind.
    const { segments } = this.member
    const key = constants.length > 0 ? `bound ${ownSegments++}` : segmentKey(graph, donated)
    let shared = segments.get(key)
    if (!shared) segments.set(key, (shared = { executable: this.member.device.compile(graph, { donated }), users: 0 }))
    shared.users++
    this.#keys.push(key)
    return { executable: shared.executable, reads }
  }

  release(): void {
    const { segments } = this.member
    for (const key of this.#keys.splice(0)) {
      const shared = segments.get(key)!
      if (--shared.users > 0) continue
      shared.executable.release()
      segments.delete(key)
    }
  }
}

/** Buffers of one run on one device, with how many values stand on each: a device keeps what it sends itself. */
class Values {
  readonly #buffers = new Map<Value, DeviceBuffer>()
  readonly #holders = new Map<DeviceBuffer, number>()

  constructor(readonly borrowed: ReadonlySet<DeviceBuffer>) {}

  set(value: Value, buffer: DeviceBuffer): void {
    this.#buffers.set(value, buffer)
    this.#holders.set(buffer, (this.#holders.get(buffer) ?? 0) + 1)
  }

  get(value: Value): DeviceBuffer {
    const buffer = this.#buffers.get(value)
    if (!buffer) throw new Error(`the mesh lost a ${showAval(value.aval)}`)
    return buffer
  }

  /** The value is not needed any more; its buffer is given back unless another stands on it or the caller owns it. */
  drop(value: Value): void {
    const buffer = this.#buffers.get(value)
    if (!buffer) return
    this.#buffers.delete(value)
    const left = this.#holders.get(buffer)! - 1
    this.#holders.set(buffer, left)
    if (left === 0 && !this.borrowed.has(buffer)) buffer.device.release(buffer)
  }

  clear(): void {
    for (const value of this.#buffers.keys()) this.drop(value)
  }
}

/** Hands the devices what has arrived. */
type Arrival = () => void

const bytesOf = ({ aval }: Value): number => sizeOf(aval.shape) * dtypeBytes[aval.dtype]

export class MeshProgram {
  readonly #parts: readonly MemberProgram[]
  /** Staging that devices may still be reading. */
  #staged: readonly Uint8Array[] = []

  /** @param schedules one a member: the same steps, with that device's own numbers in them */
  constructor(
    readonly host: ProgramHost,
    readonly schedules: readonly Schedule[],
    constants: readonly (readonly PlacedConstant[])[],
    donated: readonly number[],
  ) {
    this.#parts = host.members.map((member, i) => new MemberProgram(member, schedules[i]!, constants[i]!, donated))
  }

  get ready(): Promise<void> {
    const all = this.#parts.flatMap(({ steps }) =>
      steps.flatMap(({ executable }) => (executable ? [executable.ready] : [])),
    )
    return Promise.all(all).then(() => {})
  }

  /** Segments that each device compiled, equal ones once. */
  get segments(): number {
    return new Set(this.#parts[0]!.steps.flatMap(({ executable }) => executable ?? [])).size
  }

  /**
   * Runs on every device here. `inputs[member][i]`; those `consumed` are given back to their device once they are used.
   * Resolves to the outputs of each member when all exchanges are done; segments may still run.
   */
  async run(inputs: readonly (readonly DeviceBuffer[])[], consumed: readonly number[]): Promise<DeviceBuffer[][]> {
    const tables = this.#parts.map(({ constants, schedule }, m) => {
      const kept = inputs[m]!.filter((_, i) => !consumed.includes(i))
      const values = new Values(new Set([...kept, ...[...constants.values()].map((c) => c.buffer)]))
      schedule.inputs.forEach((value, i) => values.set(value, inputs[m]![i]!))
      for (const { value, buffer } of constants.values()) values.set(value, buffer)
      return values
    })
    let underWay: Promise<Arrival> | undefined
    try {
      for (let step = 0; step < this.schedules[0]!.steps.length; step++) {
        const { overlaps, exchanges } = this.schedules[0]!.steps[step]!
        // What has arrived, what runs on it and what is sent next reach a device together.
        if (!overlaps) (await underWay)?.()
        if (!overlaps) underWay = undefined
        this.#parts.forEach((part, m) => {
          const { segment } = part.schedule.steps[step]!
          const { executable, reads } = part.steps[step]!
          if (!segment || !executable) return
          const made = executable.run(reads.map((value) => tables[m]!.get(value)))
          segment.makes.forEach((value, i) => tables[m]!.set(value, made[i]!))
        })
        if (this.host.mailboxes) {
          this.#post(step, tables, this.host.mailboxes)
          await Promise.resolve() // lets what was posted go
        } else if (exchanges.length > 0) {
          underWay = this.#exchange(step, tables)
          underWay.catch(() => {}) // thrown where it is awaited
        }
        this.#parts.forEach(({ schedule }, m) => schedule.steps[step]!.dead.forEach((value) => tables[m]!.drop(value)))
      }
      ;(await underWay)?.()
      return this.#parts.map(({ schedule }, m) => schedule.outputs.map((value) => tables[m]!.get(value)))
    } catch (error) {
      await underWay?.catch(() => {}) // a transport takes one call at a time
      for (const table of tables) table.clear()
      throw error
    }
  }

  /** Exchanges between devices that need nobody between them: all is said at once, and each waits for what it lacks. */
  #post(step: number, tables: readonly Values[], mailboxes: Mailboxes): void {
    const { mesh, members } = this.host
    const at = new Map(members.map(({ position }, m) => [position, m]))
    const collects: (() => void)[] = []
    mailboxes.begin()
    this.schedules[0]!.steps[step]!.exchanges.forEach((_, e) =>
      members.forEach(({ position, device }, m) => {
        const { axes, outgoing } = this.schedules[m]!.steps[step]!.exchanges[e]!
        const group = mesh.group(position, axes)
        const mine = group.indexOf(position)
        const send = (value: Value, to: readonly number[]) => {
          const { mailbox, turn } = mailboxes.next(bytesOf(value))
          device.put!(tables[m]!.get(value), mailbox, turn, to.length)
          for (const other of to)
            collects.push(() => {
              const o = at.get(other)!
              const part = this.schedules[o]!.steps[step]!.exchanges[e]!.parts[mine]!
              tables[o]!.set(part, members[o]!.device.collect!(mailbox, turn, part.aval))
            })
        }
        const own = this.schedules[m]!.steps[step]!.exchanges[e]!.parts[mine]!
        tables[m]!.set(own, tables[m]!.get(outgoing[outgoing.length === 1 ? 0 : mine]!))
        if (outgoing.length === 1)
          send(
            outgoing[0]!,
            group.filter((other) => other !== position),
          )
        else group.forEach((other, j) => other !== position && send(outgoing[j]!, [other]))
      }),
    )
    // What is collected has been put by then, whatever order devices come in.
    for (const collect of collects) collect()
  }

  /** All exchanges that start after `step`, together. */
  async #exchange(step: number, tables: readonly Values[]): Promise<Arrival> {
    const { mesh, members, staging, transport, rankOf } = this.host
    const mine = this.schedules.map((schedule) => schedule.steps[step]!.exchanges)
    const count = mine[0]!.length
    const here = new Map(members.map(({ position }, m) => [position, m]))
    const staged: Uint8Array[] = []
    const [outgoing, incoming]: [Message[], Message[]] = [[], []]
    /** Bytes for `to` from `from`, both positions, of the exchange `e`. */
    const bytesFor = new Map<string, Uint8Array>()
    const reads: Promise<void>[] = []
    const arrivals: { m: number; value: Value; bytes: Uint8Array }[] = []
    const take = (length: number) => {
      const bytes = staging.take(length)
      staged.push(bytes)
      return bytes
    }
    for (let e = 0; e < count; e++) {
      members.forEach(({ position, device }, m) => {
        const { axes, outgoing: values, parts } = mine[m]![e]!
        const group = mesh.group(position, axes)
        // Terms that go to all are copied out once.
        let common: Uint8Array | undefined
        group.forEach((other, j) => {
          if (other === position)
            return tables[m]!.set(parts[j]!, tables[m]!.get(values.length === 1 ? values[0]! : values[j]!))
          const value = values.length === 1 ? values[0]! : values[j]!
          let bytes = values.length === 1 ? common : undefined
          if (!bytes) {
            bytes = take(bytesOf(value))
            reads.push(device.readInto(tables[m]!.get(value), bytes))
            if (values.length === 1) common = bytes
          }
          const rank = rankOf(other)
          if (here.has(other)) bytesFor.set(`${e} ${position} ${other}`, bytes)
          else outgoing.push({ rank, tag: tagOf(e, position, other, mesh), bytes })
        })
      })
    }
    await Promise.all(reads)
    for (let e = 0; e < count; e++)
      members.forEach(({ position }, m) => {
        const { axes, parts } = mine[m]![e]!
        mesh.group(position, axes).forEach((other, j) => {
          if (other === position) return
          const value = parts[j]!
          let bytes = bytesFor.get(`${e} ${other} ${position}`)
          if (!bytes) {
            bytes = take(bytesOf(value))
            incoming.push({ rank: rankOf(other), tag: tagOf(e, other, position, mesh), bytes })
          }
          arrivals.push({ m, value, bytes })
        })
      })
    if (transport && outgoing.length + incoming.length > 0)
      await transport.exchange(outgoing, incoming, whatOf(mine[0]!))
    return () => {
      for (const { m, value, bytes } of arrivals)
        tables[m]!.set(value, members[m]!.device.upload(viewAs(value.aval.dtype, bytes), value.aval))
      // A device takes an upload before it answers the next read: what was staged an exchange ago is free now.
      for (const bytes of this.#staged) staging.release(bytes)
      this.#staged = staged
    }
  }

  release(): void {
    for (const part of this.#parts) part.release()
  }
}

/** Tells apart the messages between two processes that are under way together. */
const tagOf = (exchange: number, from: number, to: number, mesh: Mesh): number =>
  ((exchange * mesh.size + from) * mesh.size + to) % 32767

const whatOf = (exchanges: readonly Exchange[]): string => {
  const [first] = exchanges
  return `${exchanges.length === 1 ? first!.op : `${exchanges.length} exchanges, the first ${first!.op}`} over ${first!.axes.join(', ')}${first!.scope ? ` in ${first!.scope}` : ''}`
}
