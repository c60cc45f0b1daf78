// The fused ops that the CPU has no operator for, replaced by their definitions: the head's are of its own.
import type { Graph, Node } from '../ir/graph'
import { decompose } from '../jit/passes/decompose'
import { decompositions, type Definitions } from '../nn/decompositions'
import { headInBlocks } from '../nn/head-blocks'
import { onnxLowerings } from './op-table'

const definitions: Definitions = { ...decompositions, ...headInBlocks }

/** `graph` in ops that operators are written for, and those that `keeps` names. */
export const decomposed = <T>(graph: Graph<T>, keeps: (node: Node) => boolean = () => false): Graph<T> =>
  decompose(graph, (node) => onnxLowerings[node.op] !== 'decompose' || keeps(node), definitions)
