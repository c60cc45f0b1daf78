// What one device of a mesh runs of a program: its segments, compiled, those that are alike once.
import { graphKey, type Device, type DeviceBuffer, type Executable, type Part, type Value } from '@jora/tensor/graph'
import type { Schedule } from '../segments/types'

/** A device of this process and where it is in the mesh. */
export interface Member {
  readonly position: number
  readonly device: Device
  /** Segments compiled for it, by what they compute: layers that are alike share theirs. */
  readonly segments: Map<string, { readonly executable: Executable; users: number }>
}

/** A constant of a device's program: the weight's part there. */
export interface PlacedConstant {
  readonly value: Value
  /** Bound when the segment is compiled, so that a backend may leave it in its file; else handed in like an input. */
  readonly bound: DeviceBuffer | undefined
  /** The part when a run's turn has come. @throws Error when it was released since */
  buffer(): DeviceBuffer
}

interface CompiledStep {
  readonly executable: Executable | undefined
  readonly reads: readonly Value[]
}

/** Segments that no other shares, in all programs. */
let ownSegments = 0

/** The part of one device. */
export class MemberProgram {
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
    // What a device sends itself stays where it is: two values then are on one buffer, and neither may be consumed.
    const sent = new Set(schedule.steps.flatMap((step) => step.exchanges.flatMap((e) => [...e.outgoing, ...e.parts])))
    this.steps = schedule.steps.map(({ segment, dead }) => {
      if (!segment) return { executable: undefined, reads: [] }
      const dying = new Set(dead.filter((v) => !borrowed.has(v) && !sent.has(v)))
      return this.#compile(segment, dying)
    })
  }

  #compile(segment: Part, dying: ReadonlySet<Value>): CompiledStep {
    const bound = segment.reads.map((value) => this.constants.get(value)?.bound)
    const reads = segment.reads.filter((_, i) => !bound[i])
    const inputs = segment.graph.inputs.filter((_, i) => !bound[i])
    const constants = segment.graph.inputs.flatMap((value, i) =>
      bound[i] ? [{ value, tensor: { buffer: bound[i] } }] : [],
    )
    const donated = reads.flatMap((value, i) => (dying.has(value) ? [i] : []))
    const graph = { ...segment.graph, inputs, constants }
    // Weights that are bound make a segment one of its kind.
    const { segments } = this.member
    const key = constants.length > 0 ? `bound ${ownSegments++}` : `${graphKey(graph)}\n${donated.join()}`
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
