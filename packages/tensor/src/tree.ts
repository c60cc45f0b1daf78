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

export function flatten(tree: Tree): Flat {
  const leaves: Tensor[] = []
  let structure = ''
  walk(
    tree,
    (t) => (leaves.push(t), t),
    (text) => (structure += text),
  )
  return {
    leaves,
    structure,
    unflatten: (replacements) => {
      let next = 0
      return walk(
        tree,
        () => replacements[next++] ?? fail('tree', `needs ${leaves.length} leaves, got ${replacements.length}`),
        () => {},
      )
    },
  }
}

/** Applies `f` to every tensor of `tree`. */
export function treeMap<T extends Tree>(f: (leaf: Tensor, index: number) => Tensor, tree: T): T {
  const flat = flatten(tree)
  return flat.unflatten(flat.leaves.map(f)) as T
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
