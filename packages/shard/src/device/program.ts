// A program of the mesh: what each device here runs of it, segment by segment, and what they send one another between.
import { dtypeBytes, sizeOf, viewAs } from '@jora/tensor'
import type { DeviceBuffer, Value } from '@jora/tensor/graph'
import type { Mesh } from '../mesh/mesh'
import type { Exchange, Schedule } from '../segments/types'
import { MemberProgram, type Member, type PlacedConstant } from './member-program'
import type { Mailboxes, StagingPool } from './staging'
import type { Message, Transport } from './transport'
import { Values } from './values'

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
      const weights = [...constants.values()].map((c) => [c.value, c.bound ?? c.buffer()] as const)
      const values = new Values(new Set([...kept, ...weights.map(([, buffer]) => buffer)]))
      schedule.inputs.forEach((value, i) => values.set(value, inputs[m]![i]!))
      for (const [value, buffer] of weights) values.set(value, buffer)
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
