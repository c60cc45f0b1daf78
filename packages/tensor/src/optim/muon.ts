// Muon (Jordan et al. 2024): the momentum of each matrix, made orthogonal, as torch.optim.Muon; AdamW for what is no such matrix.
import { fail } from '../errors'
import { zeros } from '../ops/create'
import { add, div, maximum, mul, sqrt, square, sub } from '../ops/elementwise'
import { dot, linear } from '../ops/linalg'
import { transpose } from '../ops/movement'
import { sum } from '../ops/reduce'
import { Tensor } from '../tensor'
import { treeLeaves, treeMap, treePaths, type Tree } from '../tree'
import { adamw, stepNumbers } from './adamw'
import type { Optimizer, OptimizerConfig } from './optimizer'
import { decayedOf, numberAt, ratesOf } from './rates'

/** Of the quintic iteration, by its author: they make the slope at zero as large as can be. */
const [a, b, c] = [3.4445, -4.775, 2.0315]
const iterations = 5

/** U Vᵀ of the singular values of `matrix`, nearly: five steps of a Newton–Schulz iteration, in f32. */
function orthogonalised(matrix: Tensor): Tensor {
  const [rows, columns] = matrix.shape as [number, number]
  const wide = rows > columns ? transpose(matrix, [1, 0]) : matrix
  let x = div(wide, maximum(sqrt(sum(square(wide))), 1e-7))
  for (let i = 0; i < iterations; i++) {
    const gram = linear(x, x)
    x = add(mul(x, a), dot(add(mul(gram, b), mul(dot(gram, gram), c)), x))
  }
  return rows > columns ? transpose(x, [1, 0]) : x
}

/** How far a step goes, as a multiple of the rate: torch's, or as far as AdamW's. */
const lengthOf = (rows: number, columns: number, matchesRms: boolean): number =>
  matchesRms ? 0.2 * Math.sqrt(Math.max(rows, columns)) : Math.sqrt(Math.max(1, rows / columns))

/** The part of a tree whose leaves are wanted; branches without any are left out. */
function treePart(tree: Tree, wanted: (leaf: Tensor) => boolean): Tree {
  if (tree instanceof Tensor || tree === null || typeof tree !== 'object') return tree
  return Object.fromEntries(
    Object.entries(tree as { readonly [key: string]: Tree }).flatMap(([key, child]) => {
      if (child instanceof Tensor) return wanted(child) ? [[key, child]] : []
      const part = treePart(child, wanted)
      return treeLeaves(part).length === 0 ? [] : [[key, part]]
    }),
  )
}

/** The parameters that AdamW steps, as a tree of them, and whether a leaf of a tree of that structure is one, by its number. */
function leftToAdamW(params: Tree, apart: OptimizerConfig['apart']) {
  const leaves = treeLeaves(params)
  const isApart = treePaths(params).map((path, i) => apart?.(path, leaves[i]!.shape) ?? false)
  const part = (tree: Tree): Tree => {
    const own = new Set(treeLeaves(tree).filter((_, i) => isApart[i]))
    return treePart(tree, (leaf) => own.has(leaf))
  }
  return { isApart, part, any: isApart.includes(true) }
}

/**
 * m ← μ·m + (1 − μ)·g; p ← p·(1 − η·λ) − η·√max(1, rows/columns)·orthogonalised((1 − μ)·g + μ·m). Parameters `apart` are AdamW's,
 * whose second moments are the slot `v`.
 */
export const muon: Optimizer = {
  slots: ['m'],
  init(params, config) {
    const { part, any } = leftToAdamW(params, config?.apart)
    const none = (tree: Tree) => treeMap((p) => zeros(p.shape), tree)
    return { m: none(params), ...(any && { v: none(part(params)) }) }
  },
  numbers: ({ learningRate, step }, config) =>
    config.apart ? [...stepNumbers(learningRate, step, config)] : [learningRate],
  update(params, grads, slots, numbers, config) {
    const { momentum = 0.95, weightDecay, rateOf, apart, matchesRms = false } = config
    const decayed = decayedOf(params, config)
    const rates = ratesOf('muon', params, numberAt(numbers, 0), rateOf, (rate) => rate)
    const paths = treePaths(params)
    const { isApart, part, any } = leftToAdamW(params, apart)
    const plain = any
      ? adamw(part(params), part(grads), { m: part(slots.m!), v: slots.v! }, numbers, config)
      : { params: {}, state: { m: {}, v: {} } }
    const [plainParams, plainM] = [treeLeaves(plain.params), treeLeaves(plain.state.m)]
    const placeOf = isApart.map((is, i) => (is ? isApart.slice(0, i).filter(Boolean).length : -1))
    const m = treeMap(
      (old, g, i) => (isApart[i] ? plainM[placeOf[i]!]! : add(mul(old, momentum), mul(g, 1 - momentum))),
      slots.m!,
      grads,
    )
    const next = treeMap(
      (p, g, direction, i) => {
        if (isApart[i]) return plainParams[placeOf[i]!]!
        const [rows = 0, columns] = p.shape
        if (columns === undefined || p.shape.length !== 2)
          fail('muon', `${paths[i]!.join('.')} has shape [${p.shape.join(', ')}], expected a matrix`)
        const kept = decayed[i] ? mul(p, sub(1, mul(rates[i]!, weightDecay))) : p
        const step = orthogonalised(add(mul(g, 1 - momentum), mul(direction, momentum)))
        return sub(kept, mul(step, mul(rates[i]!, lengthOf(rows, columns, matchesRms))))
      },
      params,
      grads,
      m,
    )
    return { params: next, slots: { m, ...(any && { v: plain.state.v }) } }
  },
}
