// AdamW whose moments are kept in 8 bits: what bitsandbytes calls adamw8bit.
import { zeros } from '../ops/create'
import { add, div, mul, sqrt, square, sub } from '../ops/elementwise'
import { concat, pad, reshape, sliceAxis } from '../ops/movement'
import type { Tensor } from '../tensor'
import { treeLeaves, treeMap, treePaths, type Tree } from '../tree'
import { stepNumbers } from './adamw'
import { blockSize, pack, signedMap, unpack, unsignedMap, type DynamicMap, type Packed } from './dynamic-codes'
import type { Optimizer, OptimizerConfig } from './optimizer'
import { decayedOf, numberAt, ratesOf } from './rates'

/** Parameters of fewer elements keep their moments in f32, as in bitsandbytes. */
const leastPacked = 4096

/**
 * Parameters are packed together up to so many elements: a program then has few operators, though an adapter has hundreds of
 * tensors, and what is unpacked at a time is small.
 */
const groupElements = 2 ** 18

/** Parameters whose moments are kept together. */
interface Group {
  readonly kind: 'packed' | 'plain'
  /** Numbers of the leaves. */
  readonly members: readonly number[]
}

/** Elements that a parameter takes in its group: blocks belong to one parameter. */
const roomOf = ({ size }: Tensor, { kind }: Group): number =>
  kind === 'plain' ? size : Math.ceil(size / blockSize) * blockSize

/** The same parameters are always grouped in the same way. */
function groupsOf(params: Tree, apart: OptimizerConfig['apart'] = () => false): Group[] {
  const [leaves, paths] = [treeLeaves(params), treePaths(params)]
  const isPlain = (i: number) => leaves[i]!.size < leastPacked || apart(paths[i]!, leaves[i]!.shape)
  const plain = [...leaves.keys()].filter(isPlain)
  const packed: number[][] = []
  let room = 0
  for (const [i, { size }] of leaves.entries()) {
    if (isPlain(i)) continue
    if (size > room) {
      packed.push([])
      room = groupElements
    }
    packed.at(-1)!.push(i)
    room -= size
  }
  const groups: Group[] = packed.map((members) => ({ kind: 'packed', members }))
  return plain.length > 0 ? [...groups, { kind: 'plain', members: plain }] : groups
}

/** The members of a group one after another: a vector, or blocks. */
function joined(leaves: readonly Tensor[], group: Group): Tensor {
  const parts = group.members.map((i) => {
    const leaf = leaves[i]!
    return pad(reshape(leaf, [-1]), [0], [roomOf(leaf, group) - leaf.size])
  })
  const flat = concat(parts)
  return group.kind === 'plain' ? flat : reshape(flat, [-1, blockSize])
}

/** The shape of {@link joined}. */
function joinedShape(leaves: readonly Tensor[], group: Group): readonly number[] {
  const size = group.members.reduce((n, i) => n + roomOf(leaves[i]!, group), 0)
  return group.kind === 'plain' ? [size] : [size / blockSize, blockSize]
}

/** What {@link joined} was made of, by the numbers of the leaves, whose shapes they have. */
function parted(values: Tensor, leaves: readonly Tensor[], group: Group): (readonly [number, Tensor])[] {
  const flat = reshape(values, [-1])
  let at = 0
  return group.members.map((i) => {
    const leaf = leaves[i]!
    const part = reshape(sliceAxis(flat, 0, at, at + leaf.size), leaf.shape)
    at += roomOf(leaf, group)
    return [i, part] as const
  })
}

/** The moments of a group. */
type Moments = { readonly m: Moment; readonly v: Moment }
type Moment = Tensor | Packed

const kept = (values: Tensor, { kind }: Group, map: DynamicMap): Moment =>
  kind === 'plain' ? values : pack(values, map)
const valuesOf = (moment: Moment, { kind }: Group, map: DynamicMap): Tensor =>
  kind === 'plain' ? (moment as Tensor) : unpack(moment as Packed, map)

/**
 * AdamW as bitsandbytes' `AdamW8bit` computes it. A step reads its moments in 8 bits, computes in f32, and rounds the new ones to
 * 8 bits; blocks of 256 elements of one parameter share a scale. They take a quarter of the memory. The slot `packed` has the
 * moments of each group of parameters by its number, its keys in alphabetical order.
 */
export const adamw8bit: Optimizer = {
  slots: ['packed'],
  init(params, config) {
    const leaves = treeLeaves(params)
    const moments = groupsOf(params, config?.apart).map((group, i) => {
      const none = zeros(joinedShape(leaves, group))
      return [i, { m: kept(none, group, signedMap), v: kept(none, group, unsignedMap) }] as const
    })
    return { packed: Object.fromEntries(moments) }
  },
  numbers: ({ learningRate, step }, config) => [...stepNumbers(learningRate, step, config)],
  update(params, grads, slots, numbers, config) {
    const { beta1, beta2, epsilon, weightDecay, rateOf, apart } = config
    const decayed = decayedOf(params, config)
    const [correction1, correction2] = [numberAt(numbers, 1), numberAt(numbers, 2)]
    const rates = ratesOf('adamw_8bit', params, numberAt(numbers, 0), rateOf, (learningRate) => ({
      decay: sub(1, mul(learningRate, weightDecay)),
      stepSize: div(learningRate, correction1),
    }))
    const before = slots.packed as { readonly [group: string]: Moments }
    const [leaves, gradients] = [treeLeaves(params), treeLeaves(grads)]
    const next = [...leaves]
    const after = groupsOf(params, apart).map((group, i) => {
      const g = joined(gradients, group)
      const { m: oldM, v: oldV } = before[i]!
      const m = add(mul(valuesOf(oldM, group, signedMap), beta1), mul(g, 1 - beta1))
      const v = add(mul(valuesOf(oldV, group, unsignedMap), beta2), mul(square(g), 1 - beta2))
      const direction = div(m, add(div(sqrt(v), correction2), epsilon))
      for (const [leaf, part] of parted(direction, leaves, group)) {
        const { decay, stepSize } = rates[leaf]!
        const p = leaves[leaf]!
        next[leaf] = sub(decayed[leaf] ? mul(p, decay) : p, mul(part, stepSize))
      }
      return [i, { m: kept(m, group, signedMap), v: kept(v, group, unsignedMap) }] as const
    })
    return { params: treeMap((_, i) => next[i]!, params), slots: { packed: Object.fromEntries(after) as Tree } }
  },
}
