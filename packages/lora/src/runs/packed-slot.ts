// A tree of tensors of any shapes and types as a safetensors file: how checkpoints keep what an optimiser has packed.
import { tensor, treeLeaves, treePaths, viewAs, type Device, type Tree } from '@jora/tensor'
import {
  fromSafetensorsDType,
  toSafetensorsDType,
  type SafetensorsBytes,
  type SafetensorsEntry,
} from '@jora/tensor/safetensors'

/** The tensors of `tree`, bit for bit, under the keys that lead to them with dots between. */
export async function treeEntries(tree: Tree): Promise<SafetensorsEntry<Uint8Array>[]> {
  const names = treePaths(tree).map((path) => path.join('.'))
  const entries: SafetensorsEntry<Uint8Array>[] = []
  for (const [i, leaf] of treeLeaves(tree).entries()) {
    const { buffer, byteOffset, byteLength } = await leaf.data()
    const data = new Uint8Array(buffer, byteOffset, byteLength)
    entries.push({ name: names[i]!, dtype: toSafetensorsDType(leaf.dtype), shape: leaf.shape, data })
  }
  return entries
}

type Branch = { [key: string]: Tree }

/** The tree of {@link treeEntries}, on a device; its keys are in alphabetical order, as those of packed slots are. */
export function treeOf(file: SafetensorsBytes, device: Device): Tree {
  const root: Branch = {}
  for (const [name, { dtype, shape }] of [...file.tensors].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const keys = name.split('.')
    const last = keys.pop()!
    let branch = root
    for (const key of keys) branch = (branch[key] ??= {}) as Branch
    const type = fromSafetensorsDType(dtype)
    if (type === undefined) throw new TypeError(`tensor ${name} is ${dtype}, which no optimiser keeps`)
    branch[last] = tensor(viewAs(type, file.read(name)), { shape, dtype: type, device })
  }
  return root
}
