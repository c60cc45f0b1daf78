// From stretches of nodes to steps: what each makes and reads as a program of its own, and when values die.
import { leafValue, makeNode, type Node, type Value } from '@jora/tensor/graph'
import type { Exchange, ScheduleStep, Segment } from './types'

/** Nodes of one step, before they are a program. */
export interface Stretch {
  readonly nodes: readonly Node[]
  readonly exchanges: readonly Exchange[]
  readonly overlaps: boolean
}

/** Values of one level's nodes become a program whose inputs are leaves, in the order in which they are first read. */
function segmentOf(nodes: readonly Node[], free: ReadonlySet<Node>, makes: readonly Value[]): Segment | undefined {
  if (makes.length === 0) return undefined
  const inside = new Set<Node>(nodes)
  const mapped = new Map<Value, Value>()
  const [reads, inputs, own]: [Value[], Value[], Node[]] = [[], [], []]
  const of = (value: Value): Value => {
    const known = mapped.get(value)
    if (known) return known
    const { node } = value
    if (node && (inside.has(node) || free.has(node))) {
      const copy = makeNode(node.op, node.params, node.inputs.map(of), node.scope)
      own.push(copy)
      node.outputs.forEach((output, i) => mapped.set(output, copy.outputs[i]!))
      return mapped.get(value)!
    }
    const leaf = leafValue(value.aval)
    mapped.set(value, leaf)
    reads.push(value)
    inputs.push(leaf)
    return leaf
  }
  // In the order of the program, so that equal layers give equal segments.
  for (const node of nodes) if (!mapped.has(node.outputs[0]!)) of(node.outputs[0]!)
  return { graph: { inputs, constants: [], nodes: own, outputs: makes.map(of) }, reads, makes }
}

/** The steps of a program whose `free` nodes run wherever they are used. */
export function stepsOf(
  stretches: readonly Stretch[],
  { free, inputs, outputs }: { free: ReadonlySet<Node>; inputs: readonly Value[]; outputs: readonly Value[] },
): ScheduleStep[] {
  /** Last step that reads a value: as an input of its segment, or to send it. Inputs that none reads are dead at once. */
  const lastRead = new Map<Value, number>(inputs.map((value) => [value, 0]))
  const kept = new Set(outputs)
  const madeIn = new Map<Node, number>(
    stretches.flatMap(({ nodes }, step) => nodes.map((node) => [node, step] as const)),
  )
  const needed = new Map<number, Set<Value>>()
  const need = (value: Value, step: number) => {
    const { node } = value
    if (node && free.has(node)) return node.inputs.forEach((v) => need(v, step))
    lastRead.set(value, step)
    const made = node ? madeIn.get(node) : undefined
    if (made !== undefined && (made !== step || kept.has(value))) markMade(value, made)
  }
  const markMade = (value: Value, step: number) => needed.set(step, (needed.get(step) ?? new Set()).add(value))
  stretches.forEach(({ nodes, exchanges }, step) => {
    for (const node of nodes) node.inputs.forEach((value) => need(value, step))
    for (const { outgoing } of exchanges)
      for (const value of outgoing) {
        need(value, step)
        if (value.node && madeIn.has(value.node)) markMade(value, madeIn.get(value.node)!)
      }
  })
  for (const value of outputs) if (value.node) markMade(value, madeIn.get(value.node)!)
  const isStored = (value: Value) => !value.node || (needed.get(madeIn.get(value.node)!)?.has(value) ?? false)
  const deadAfter = new Map<number, Value[]>()
  for (const [value, step] of lastRead)
    if (!kept.has(value) && isStored(value)) deadAfter.set(step, [...(deadAfter.get(step) ?? []), value])
  return stretches
    .map(({ nodes, exchanges, overlaps }, step): ScheduleStep => {
      const segment = segmentOf(nodes, free, [...(needed.get(step) ?? [])])
      return { segment, overlaps, exchanges, dead: deadAfter.get(step) ?? [] }
    })
    .filter(({ segment, exchanges, dead }) => segment || exchanges.length > 0 || dead.length > 0)
}
