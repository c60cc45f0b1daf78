// Compiling a program for a mesh: partitioned by where its inputs and constants are, cut, and compiled on each device.
import { dtypeBytes, sizeOf, Tensor, type Aval } from '@jora/tensor'
import {
  leafValue,
  removeDeadCode,
  showAval,
  simplify,
  Trace,
  withTrace,
  type CompileGraph,
  type Graph,
} from '@jora/tensor/graph'
import { localShape, type Placement } from '../mesh/placement'
import { partition } from '../partition/partition'
import { reshard } from '../partition/reshard'
import { schedule } from '../segments/schedule'
import type { Member, PlacedConstant } from './member-program'
import type { MeshBuffer } from './mesh-buffer'
import { MeshProgram, type ProgramHost } from './program'
import { describeProgram, type ProgramReport } from './report'

/** A program compiled for inputs that are placed in one way. */
export interface Variant {
  readonly program: MeshProgram
  /** How the inputs must be placed. */
  readonly inputs: readonly Placement[]
  readonly outputs: readonly Placement[]
}

export const keyOfPlacements = (placements: readonly Placement[]): string => placements.map((p) => p.join()).join(';')

/** Weights of a CPU device that may be held twice, packed for its products. */
const packedBytes = 2 ** 26

const weightBytes = ({ constants }: Graph): number =>
  constants.reduce((n, { value: { aval } }) => n + sizeOf(aval.shape) * dtypeBytes[aval.dtype], 0)

/** Partitions, cuts and compiles `graph` for inputs that are placed as `given`, or better. */
export function compileVariant(
  host: ProgramHost,
  graph: CompileGraph,
  constants: readonly MeshBuffer[],
  given: readonly Placement[],
  donated: readonly number[],
  onProgram: ((report: ProgramReport) => void) | undefined,
): Variant {
  const { mesh, members } = host
  const placements = { inputs: given, constants: constants.map((c) => c.placement) }
  const onDevice = (position: number, inputs: readonly Placement[]) =>
    partition(graph, mesh, { ...placements, inputs }, position)
  const [first] = members as [Member, ...Member[]]
  const asGiven = onDevice(first.position, given)
  // State that a program takes and returns is placed as it returns it, from the first call on.
  const inputs = carried(graph, given, asGiven.outputs, donated)
  const isAsGiven = keyOfPlacements(inputs) === keyOfPlacements(given)
  const parts = members.map((member) => (isAsGiven && member === first ? asGiven : onDevice(member.position, inputs)))
  const simplified = parts.map(({ graph: local }, m) => {
    const { device } = members[m]!
    return simplify(removeDeadCode(device.decomposed?.(local) ?? local))
  })
  const schedules = simplified.map((local) => schedule(local))
  const placed = simplified.map((local, m) =>
    local.constants.map(({ value, tensor }): PlacedConstant => {
      const whole = tensor.buffer as MeshBuffer
      // ONNX Runtime maps 16-bit weights from their file when they are bound; as inputs they would be twice as large. Small
      // ones it packs for its products (5% of a step), which is worth a session for each layer. What another program has yet
      // to compute cannot be bound.
      const binds =
        members[m]!.device.kind === 'cpu' && (value.aval.dtype !== 'f32' || weightBytes(local) <= packedBytes)
      return { value, bound: binds ? whole.parts?.[m] : undefined, buffer: () => whole.part(m) }
    }),
  )
  const program = new MeshProgram(host, schedules, placed, donated)
  onProgram?.(
    describeProgram(graph, mesh, { ...placements, inputs }, parts[0]!.outputs, schedules[0]!, program.segments),
  )
  return { program, inputs, outputs: parts[0]!.outputs }
}

/** A program that brings a tensor of `aval` with the placement `from` to the placement `to`. */
export function compileConversion(host: ProgramHost, aval: Aval, from: Placement, to: Placement): MeshProgram {
  const schedules = host.members.map(({ position }) => {
    const trace = new Trace()
    const local = leafValue({ dtype: aval.dtype, shape: localShape(host.mesh, from, aval.shape) })
    const result = withTrace(trace, () => reshard(Tensor.fromTrace(trace, local), from, to, host.mesh, position))
    return schedule({ inputs: [local], constants: [], nodes: trace.nodes, outputs: [result.traced!.value] })
  })
  return new MeshProgram(
    host,
    schedules,
    host.members.map(() => []),
    [],
  )
}

/**
 * Placements for the inputs of a program that gives some of them up: the k-th donated input of a shape is taken for what
 * the k-th output of that shape is the next state of, and is placed as that output does.
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
