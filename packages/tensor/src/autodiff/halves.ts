// What the forward pass keeps for the backward pass, in 16 bits where products round what they read to 8 anyway.
import { isOp, makeNode, type Node, type Value } from '../ir/graph'
import { sizeOf } from '../shape'

/**
 * Activations are divided by this before they become f16: some are larger than its 65,504 (Sun et al. 2024, "Massive Activations in
 * Large Language Models"), and none that matters is near its smallest.
 */
const scale = 64

/** Smaller values, and columns of statistics, are not worth two passes. */
const [leastSize, leastColumns] = [2 ** 14, 32]

/** Whether products of a program may round activations to 8 bits. */
const roundsActivations = (nodes: readonly Node[]): boolean =>
  nodes.some((node) => isOp(node, 'dequantise') && node.params.int8)

/** First outputs alone: others of an op are statistics, or gradients made ahead. What a weight's codes stand for is kept by nobody. */
const isActivation = ({ aval: { dtype, shape }, node, index }: Value): boolean =>
  dtype === 'f32' &&
  index === 0 &&
  sizeOf(shape) >= leastSize &&
  (shape.at(-1) ?? 0) >= leastColumns &&
  node?.op !== 'dequantise'

/** `value · factor` in another dtype, where `node` is. */
function scaled(value: Value, factor: number, dtype: 'f16' | 'f32', { scope, region }: Node): Node[] {
  const by = makeNode('full', { shape: [], dtype: 'f32', value: factor }, [], scope, region)
  const cast = (x: Value) => makeNode('cast', { dtype }, [x], scope, region)
  const times = (x: Value) => makeNode('mul', {}, [x, by.outputs[0]!], scope, region)
  const [first, second] = dtype === 'f16' ? [times, cast] : [cast, times]
  const begun = first(value)
  return [by, begun, second(begun.outputs[0]!)]
}

/** What the backward pass finds of a forward pass. */
export interface Kept {
  /** The forward pass, which makes it. */
  readonly nodes: readonly Node[]
  /** The f16 in place of `value`; undefined where that is kept as it is. */
  readonly halfOf: (value: Value) => Value | undefined
}

/** @param isKept whether the backward pass reads a value, or computes others again from it */
export function keptHalves(forward: readonly Node[], isKept: (value: Value) => boolean): Kept {
  const halves = new Map<Value, Value>()
  const halfOf = (value: Value) => halves.get(value)
  if (!roundsActivations(forward)) return { nodes: forward, halfOf }
  const nodes = forward.flatMap((node) => {
    const [value] = node.outputs
    if (!value || !isKept(value) || !isActivation(value)) return [node]
    const more = scaled(value, 1 / scale, 'f16', node)
    halves.set(value, more.at(-1)!.outputs[0]!)
    return [node, ...more]
  })
  return { nodes, halfOf }
}

/** Nodes that make f32 of an f16 of {@link keptHalves}, which the last of them gives. */
export const widened = (half: Value, like: Node): Node[] => scaled(half, scale, 'f32', like)
