// Muon (Jordan et al. 2024): the momentum of each matrix, made orthogonal, as torch.optim.Muon.
import { fail } from '../errors'
import { zeros } from '../ops/create'
import { add, div, maximum, mul, sqrt, square, sub } from '../ops/elementwise'
import { dot, linear } from '../ops/linalg'
import { transpose } from '../ops/movement'
import { sum } from '../ops/reduce'
import type { Tensor } from '../tensor'
import { treeMap, treePaths } from '../tree'
import type { Optimizer } from './optimizer'
import { numberAt, ratesOf } from './rates'

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

/** m ← μ·m + (1 − μ)·g; p ← p·(1 − η·λ) − η·√max(1, rows/columns)·orthogonalised((1 − μ)·g + μ·m). */
export const muon: Optimizer = {
  slots: ['m'],
  init: (params) => ({ m: treeMap((p) => zeros(p.shape), params) }),
  numbers: ({ learningRate }) => [learningRate],
  update(params, grads, slots, numbers, { momentum = 0.95, weightDecay, rateOf }) {
    const rates = ratesOf('muon', params, numberAt(numbers, 0), rateOf, (rate) => rate)
    const paths = treePaths(params)
    const m = treeMap((old, g) => add(mul(old, momentum), mul(g, 1 - momentum)), slots.m!, grads)
    const next = treeMap(
      (p, g, direction, i) => {
        const [rows = 0, columns] = p.shape
        if (columns === undefined || p.shape.length !== 2)
          fail('muon', `${paths[i]!.join('.')} has shape [${p.shape.join(', ')}], expected a matrix`)
        const decayed = weightDecay === 0 ? p : mul(p, sub(1, mul(rates[i]!, weightDecay)))
        const step = orthogonalised(add(mul(g, 1 - momentum), mul(direction, momentum)))
        return sub(decayed, mul(step, mul(rates[i]!, Math.sqrt(Math.max(1, rows / columns)))))
      },
      params,
      grads,
      m,
    )
    return { params: next, slots: { m } }
  },
}
