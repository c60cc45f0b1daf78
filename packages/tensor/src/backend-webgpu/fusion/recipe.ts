// What values that are not stored are made of: views of stored ones, or recipes that evaluate them where they are read.
import { isFloat } from '../../dtype'
import { isOp, type Node, type Value } from '../../ir/graph'
import { readsOf, type OpName } from '../../ir/op'
import { sizeOf } from '../../shape'
import { wgslLowerings } from '../op-table'
import { broadcastView, isWhole, reshapeView, sliceView, transposeView, type Storage, type View } from './storage'

/** What an unstored value is made of: stored values, and whether each is read at the same flat index only. */
export interface Recipe {
  readonly leaves: ReadonlyMap<Value, 'same' | 'elsewhere'>
  /** Unstored nodes evaluated on the way, itself included. */
  readonly nodes: ReadonlySet<Node>
  readonly work: number
}

/** What is known of the values before a node. */
export interface Known {
  /** Windows on storages, for values that need no computing to be read. */
  readonly views: ReadonlyMap<Value, View>
  readonly recipes: ReadonlyMap<Value, Recipe>
  /** The value whose elements a storage holds. */
  valueOf(storage: Storage): Value
}

/** Work of an expression that is evaluated again rather than stored. */
const cheapWork = 16

/** Longest inner dimension of a product that is evaluated where its result is read: LoRA's second factor. */
export const smallInner = 32

/** Whether `op` takes a kernel of its own. */
export const isRun = <K extends OpName>(op: K): boolean => {
  const entry = wgslLowerings[op]
  return typeof entry === 'object' && 'kernel' in entry
}

/** A movement or float cast of a view is a view. */
export function viewOf(node: Node, { views }: Pick<Known, 'views'>): View | undefined {
  const view = node.inputs[0] && views.get(node.inputs[0])
  if (!view) return undefined
  if (isOp(node, 'stopGradient') || isOp(node, 'shardingConstraint') || isOp(node, 'barrier')) return view
  if (isOp(node, 'cast')) return isFloat(node.params.dtype) && isFloat(node.inputs[0]!.aval.dtype) ? view : undefined
  if (isOp(node, 'reshape')) return reshapeView(view, node.params.shape)
  if (isOp(node, 'transpose')) return transposeView(view, node.params.permutation)
  if (isOp(node, 'broadcastTo')) return broadcastView(view, node.params.shape)
  if (isOp(node, 'slice')) return sliceView(view, node.params.starts, node.params.limits)
  return undefined
}

/** The recipe of a node's value. */
export function recipeOf(node: Node, { views, recipes, valueOf }: Known): Recipe {
  const entry = wgslLowerings[node.op]
  const leaves = new Map<Value, 'same' | 'elsewhere'>()
  const nodes = new Set<Node>([node])
  const size = sizeOf(node.outputs[0]!.aval.shape)
  let work = typeof entry === 'object' && 'work' in entry ? entry.work : smallInner
  node.inputs.forEach((value, i) => {
    const moved = readsOf(node.op, i) === 'moved' || sizeOf(value.aval.shape) !== size
    const note = (leaf: Value, how: 'same' | 'elsewhere') =>
      leaves.set(leaf, moved || how === 'elsewhere' || leaves.get(leaf) === 'elsewhere' ? 'elsewhere' : 'same')
    const view = views.get(value)
    if (view) note(valueOf(view.storage), isWhole(view) ? 'same' : 'elsewhere')
    else {
      const inner = recipes.get(value)!
      inner.leaves.forEach((how, leaf) => note(leaf, how))
      inner.nodes.forEach((n) => nodes.add(n))
      work += inner.work
    }
  })
  return { leaves, nodes, work }
}

/** Whether evaluating it again costs less than keeping it: one large read and little arithmetic. */
export function isCheap(value: Value, { leaves, work }: Recipe): boolean {
  const size = sizeOf(value.aval.shape)
  const large = [...leaves.keys()].filter((leaf) => sizeOf(leaf.aval.shape) * 2 >= size && size > 1)
  return work <= cheapWork && large.length <= 1
}
