// What a partitioned program does, for people: how its tensors are split and what its devices send one another.
import { dtypeBytes, sizeOf } from '@jora/tensor'
import { showAval, type Graph } from '@jora/tensor/graph'
import type { Mesh } from '../mesh/mesh'
import { specOf, type Placement } from '../mesh/placement'
import type { Schedule } from '../segments/types'

/** A tensor that a program takes, holds or returns. */
export interface PlacedTensor {
  readonly name: string
  /** dtype and shape of the whole. */
  readonly aval: string
  /** Its PartitionSpec. */
  readonly spec: string
  /** Of one device's part. */
  readonly bytes: number
}

/** Exchanges of one kind at one place of the program. */
export interface Communication {
  readonly op: 'allReduce' | 'allGather' | 'reduceScatter'
  readonly axes: readonly string[]
  /** Where in the model, as scopes name it. */
  readonly scope: string
  /** Bytes that each device sends. */
  readonly bytes: number
}

/**
 * How one program is partitioned: what it holds on each device, and what devices send each other. {@link
 * MeshDevice.onProgram} receives one for each program that is compiled.
 */
export interface ProgramReport {
  /** The axes and their sizes, as `data=2,model=4`. */
  readonly mesh: string
  readonly constants: readonly PlacedTensor[]
  readonly inputs: readonly PlacedTensor[]
  readonly outputs: readonly PlacedTensor[]
  readonly communications: readonly Communication[]
  /** Segments between exchanges. */
  readonly segments: number
  /** Segments that differ from each other: one program is compiled for each. */
  readonly compiled: number
}

const labelOf = (tensor: unknown, fallback: string): string => {
  const label = typeof tensor === 'object' && tensor !== null && 'label' in tensor ? tensor.label : undefined
  return typeof label === 'string' && label !== '' ? label : fallback
}

export function describeProgram(
  graph: Graph,
  mesh: Mesh,
  placements: { readonly inputs: readonly Placement[]; readonly constants: readonly Placement[] },
  outputs: readonly Placement[],
  { steps }: Schedule,
  compiled: number,
): ProgramReport {
  const placed = (name: string, { aval }: Graph['inputs'][number], placement: Placement): PlacedTensor => {
    const parts = mesh.sizes.reduce((n, size, i) => (typeof placement[i] === 'number' ? n * size : n), 1)
    return {
      name,
      aval: showAval(aval),
      spec: specOf(mesh, placement, aval.shape.length).toString(),
      bytes: (sizeOf(aval.shape) * dtypeBytes[aval.dtype]) / parts,
    }
  }
  return {
    mesh: mesh.toString(),
    constants: graph.constants.map(({ value, tensor }, i) =>
      placed(labelOf(tensor, `constant ${i}`), value, placements.constants[i]!),
    ),
    inputs: graph.inputs.map((value, i) => placed(`input ${i}`, value, placements.inputs[i]!)),
    outputs: graph.outputs.map((value, i) => placed(`output ${i}`, value, outputs[i]!)),
    communications: steps.flatMap(({ exchanges }) =>
      exchanges.map(({ op, axes, count, outgoing, scope }) => {
        const sizes = outgoing.map(({ aval }) => sizeOf(aval.shape) * dtypeBytes[aval.dtype])
        const bytes =
          sizes.length === 1 ? sizes[0]! * (count - 1) : (sizes.reduce((a, b) => a + b, 0) * (count - 1)) / count
        return { op, axes, scope, bytes }
      }),
    ),
    segments: steps.filter(({ segment }) => segment).length,
    compiled,
  }
}
