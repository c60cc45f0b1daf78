// A step's update, layer by layer: those of equal layers are one model, which a program in parts makes once.
import { scope, type Tree } from '@jora/tensor'
import type { Adapter } from '../../adapter/adapter'
import { layerOf } from '../../adapter/adapter-fit'
import { mapState, type TrainState } from './train-state'

/** Modules by where they are, in the adapter's order. */
function modulesByLayer(adapter: Adapter): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const module of Object.keys(adapter)) {
    const layer = layerOf(module)
    const place = layer === undefined ? 'update' : `update of layer ${layer}`
    const group = groups.get(place) ?? []
    groups.set(place, group)
    group.push(module)
  }
  return groups
}

/** Of what a tree has of these; an optimiser may keep a slot for some modules alone. */
const pick = <T>(tree: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> =>
  Object.fromEntries(names.flatMap((name) => (name in tree ? [[name, tree[name]!]] : [])))

/**
 * What `update` makes of the state, a layer's modules at a time. Each number is updated for itself, so that the result is that of all
 * at once.
 * @param grads shaped as the state's adapter
 */
export function eachLayer(
  state: TrainState,
  grads: Adapter,
  update: (state: TrainState, grads: Adapter) => TrainState,
): TrainState {
  // An optimiser that packs its numbers has those of several layers together.
  if (state.packed) return update(state, grads)
  const after = [...modulesByLayer(state.adapter)].map(([place, modules]) =>
    scope(place, () =>
      update(
        mapState(state, (tree) => pick(tree as Record<string, Tree>, modules)),
        pick(grads, modules),
      ),
    ),
  )
  const modules = Object.keys(state.adapter)
  return mapState(state, (_, name) => {
    const all: Record<string, Tree> = Object.assign({}, ...after.map((part) => part[name]))
    return pick(all, modules)
  })
}
