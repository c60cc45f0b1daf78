// Pytrees: nested arrays and plain objects whose leaves are tensors, as functions take and return them.
import { fail } from './errors'
import { keyOf } from './ir/key'
import { Tensor } from './tensor'

/** Nested structure of tensors. Other leaves (numbers, strings, …) are part of the structure, not data. */
export type Tree =
  | Tensor
  | number
  | string
  | boolean
  | null
  | undefined
  | readonly Tree[]
  | { readonly [key: string]: Tree }

/** A flattened tree: its tensors in order, and how to put others in their place. */
export interface Flat {
  readonly leaves: Tensor[]
  /** Equal for trees of the same structure and the same non-tensor leaves. */
  readonly structure: string
  unflatten(leaves: readonly Tensor[]): Tree
}

function walk(tree: Tree, leaf: (t: Tensor) => Tree, note: (text: string) => void): Tree {
  if (tree instanceof Tensor) {
    note('*')
    return leaf(tree)
  }
  if (Array.isArray(tree)) {
    note('[')
    const out = tree.map((child: Tree) => walk(child, leaf, note))
    note(']')
    return out
  }
  if (tree !== null && typeof tree === 'object') {
    const prototype: unknown = Object.getPrototypeOf(tree)
    if (prototype !== Object.prototype && prototype !== null)
      fail('tree', `only tensors, arrays and plain objects can be passed, got ${tree.constructor.name}`)
    note('{')
    const out: Record<string, Tree> = {}
    for (const [key, child] of Object.entries(tree as Record<string, Tree>)) {
      note(`${JSON.stringify(key)}:`)
      out[key] = walk(child, leaf, note)
    }
    note('}')
    return out
  }
  note(`${typeof tree}:${keyOf(tree)},`)
  return tree
}

/** Where a tensor is in a tree whose tensors were taken out. */
let hole: Tensor | undefined

/** The tensors of `tree`, depth first in key order, and its structure. Throws for objects that are no plain trees. */
export function flatten(tree: Tree): Flat {
  const leaves: Tensor[] = []
  let structure = ''
  // The tensors themselves are not kept for `unflatten`: of a traced function, all its graph would be.
  hole ??= Tensor.fromTrace({}, { aval: { shape: [], dtype: 'f32' }, node: null, index: 0 })
  const empty = hole
  const skeleton = walk(
    tree,
    (t) => (leaves.push(t), empty),
    (text) => (structure += text),
  )
  return {
    leaves,
    structure,
    unflatten: (replacements) => {
      let next = 0
      return walk(
        skeleton,
        () => replacements[next++] ?? fail('tree', `needs ${leaves.length} leaves, got ${replacements.length}`),
        () => {},
      )
    },
  }
}

/** What `treeMap` calls for each leaf: the leaf of each tree, then the leaf's number. */
export type LeafMap<Others extends readonly Tree[]> = (
  ...args: [leaf: Tensor, ...others: { [K in keyof Others]: Tensor }, index: number]
) => Tensor

/**
 * The tree of `f(leaf, …, index)`, leaf by leaf: `treeMap((p, g) => sub(p, mul(g, rate)), params, grads)`.
 * @throws TensorError when the trees differ in structure
 */
export function treeMap<T extends Tree, Others extends readonly Tree[]>(
  f: LeafMap<Others>,
  tree: T,
  ...others: Others
): T {
  const flat = flatten(tree)
  const rest = others.map((other, i) => {
    const { leaves, structure } = flatten(other)
    if (structure !== flat.structure)
      fail('treeMap', `tree ${i + 1} is ${structure}, expected ${flat.structure}, the structure of tree 0`)
    return leaves
  })
  const at = (leaf: Tensor, index: number) =>
    f(...([leaf, ...rest.map((leaves) => leaves[index]), index] as unknown as Parameters<LeafMap<Others>>))
  return flat.unflatten(flat.leaves.map(at)) as T
}

/** Every tensor of `tree`, depth first, in key order. */
export const treeLeaves = (tree: Tree): Tensor[] => flatten(tree).leaves

/** Where each tensor of `tree` is, in the order of {@link treeLeaves}: keys and indices from the root. */
export function treePaths(tree: Tree): (readonly string[])[] {
  if (tree instanceof Tensor) return [[]]
  if (tree === null || typeof tree !== 'object') return []
  return Object.entries(tree as { readonly [key: string]: Tree }).flatMap(([key, child]) =>
    treePaths(child).map((path) => [key, ...path]),
  )
}

/** Frees every tensor of `tree`. */
export function disposeTree(tree: Tree): void {
  for (const leaf of treeLeaves(tree)) leaf.dispose()
}
