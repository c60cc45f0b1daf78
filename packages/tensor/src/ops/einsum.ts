// Products of tensors whose axes have letters (numpy's einsum).
import { fail } from '../errors'
import { showShape } from '../shape'
import type { Tensor } from '../tensor'
import { dot } from './linalg'
import { reshape, transpose } from './movement'
import { sum } from './reduce'

/** A tensor and the letter of each of its axes. */
interface Labelled {
  readonly x: Tensor
  readonly labels: readonly string[]
}

interface Formula {
  readonly inputs: readonly (readonly string[])[]
  readonly output: readonly string[]
}

function parse(equation: string, count: number): Formula {
  const [left = '', right, ...more] = equation.replaceAll(' ', '').split('->')
  const inputs = left.split(',').map((term) => [...term])
  const letters = [...inputs.flat(), ...(right ?? '')]
  if (more.length > 0 || letters.some((c) => !/[a-zA-Z]/.test(c)))
    fail('einsum', `"${equation}" is not a formula: expected a letter for each axis, as in "bij,bjk->bik"`)
  if (inputs.length !== count) fail('einsum', `"${equation}" names ${inputs.length} tensors, got ${count}`)
  // Without an arrow, the letters that appear once, in alphabetical order.
  const once = [...new Set(letters)].filter((c) => letters.indexOf(c) === letters.lastIndexOf(c)).sort()
  const output = right === undefined ? once : [...right]
  for (const term of [...inputs, output])
    if (new Set(term).size !== term.length)
      fail('einsum', `"${term.join('')}" names an axis twice; diagonals are not supported`)
  for (const c of output) if (!inputs.flat().includes(c)) fail('einsum', `axis ${c} of the result is in no input`)
  return { inputs, output }
}

/** Sizes by letter. Throws when two tensors disagree. */
function sizesOf(equation: string, terms: readonly Labelled[]): Map<string, number> {
  const sizes = new Map<string, number>()
  for (const { x, labels } of terms) {
    if (labels.length !== x.shape.length)
      fail(
        'einsum',
        `"${labels.join('')}" in "${equation}" has ${labels.length} axes, its tensor is ${showShape(x.shape)}`,
      )
    labels.forEach((c, i) => {
      const known = sizes.get(c)
      if (known !== undefined && known !== x.shape[i])
        fail('einsum', `axis ${c} of "${equation}" is ${known} in one tensor and ${x.shape[i]} in another`)
      sizes.set(c, x.shape[i]!)
    })
  }
  return sizes
}

/** Sums over the axes that `keeps` does not want. */
function summedTo({ x, labels }: Labelled, keeps: (label: string) => boolean): Labelled {
  const axes = labels.flatMap((c, i) => (keeps(c) ? [] : [i]))
  return axes.length === 0 ? { x, labels } : { x: sum(x, { axis: axes }), labels: labels.filter(keeps) }
}

/** `x` with its axes in the order of `labels`. */
const ordered = ({ x, labels: own }: Labelled, labels: readonly string[]): Tensor =>
  transpose(
    x,
    labels.map((c) => own.indexOf(c)),
  )

/** The product of two, summed over what both have and nobody else needs: one matrix product of [batch, rows, inner]·[batch, inner, columns]. */
function contract(a: Labelled, b: Labelled, sizes: ReadonlyMap<string, number>, needed: ReadonlySet<string>): Labelled {
  const left = summedTo(a, (c) => needed.has(c) || b.labels.includes(c))
  const right = summedTo(b, (c) => needed.has(c) || a.labels.includes(c))
  const both = left.labels.filter((c) => right.labels.includes(c))
  const batch = both.filter((c) => needed.has(c))
  const inner = both.filter((c) => !needed.has(c))
  const rows = left.labels.filter((c) => !both.includes(c))
  const columns = right.labels.filter((c) => !both.includes(c))
  const size = (labels: readonly string[]) => labels.reduce((n, c) => n * sizes.get(c)!, 1)
  const product = dot(
    reshape(ordered(left, [...batch, ...rows, ...inner]), [size(batch), size(rows), size(inner)]),
    reshape(ordered(right, [...batch, ...inner, ...columns]), [size(batch), size(inner), size(columns)]),
  )
  const labels = [...batch, ...rows, ...columns]
  return {
    x: reshape(
      product,
      labels.map((c) => sizes.get(c)!),
    ),
    labels,
  }
}

/**
 * The product of tensors, summed over the axes that the result does not have: `einsum('bij,bjk->bik', a, b)`. Each axis has
 * a letter; without `->` the result has the letters that appear once, in alphabetical order. Tensors are taken two at a
 * time, from the left, a matrix product each.
 * @param tensors one dtype, f32 or f16
 * @throws TensorError when the formula does not fit the tensors, or names an axis of one tensor twice
 */
export function einsum(equation: string, ...tensors: readonly Tensor[]): Tensor {
  const { inputs, output } = parse(equation, tensors.length)
  const terms = tensors.map((x, i): Labelled => ({ x, labels: inputs[i]! }))
  const sizes = sizesOf(equation, terms)
  const [first, ...rest] = terms
  const product = rest.reduce((a, b, i) => {
    const later = new Set([...output, ...rest.slice(i + 1).flatMap((term) => term.labels)])
    return contract(a, b, sizes, later)
  }, first!)
  return ordered(
    summedTo(product, (c) => output.includes(c)),
    output,
  )
}
