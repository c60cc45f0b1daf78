// What must not compile. A line that compiles after all is an error of the type check: its `@ts-expect-error` has nothing to expect.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPlanningDevice, referenceGpu } from '../src/backend-webgpu/index'
import * as j from '../src/index'

beforeAll(() => void j.setDefaultDevice(openPlanningDevice(referenceGpu)))
afterAll(() => void j.setDefaultDevice(undefined))

describe('numbers alone decide no dtype', () => {
  const refusal = (op: string) =>
    `${op}: got the numbers 1 and 2; at least one must be a tensor, which decides the dtype`

  test('in ops of two operands', () => {
    // @ts-expect-error -- one of the two is a tensor
    expect(() => j.add(1, 2)).toThrow(refusal('add'))
    // @ts-expect-error -- one of the two is a tensor
    expect(() => j.pow(1, 2)).toThrow(refusal('pow'))
    // @ts-expect-error -- one of the two is a tensor
    expect(() => j.le(1, 2)).toThrow(refusal('le'))
    // @ts-expect-error -- one of the two is a tensor
    expect(() => j.ge(2, 1)).toThrow(refusal('le'))
  })

  test('in where', () => {
    const condition = j.full([2], 1, 'bool')
    // @ts-expect-error -- one of the two is a tensor
    expect(() => j.where(condition, 1, 2)).toThrow(refusal('where'))
  })

  test('a number beside a tensor takes its dtype, on either side', () => {
    const x = j.full([2], 3, 'i32')
    const either: j.TensorLike = x
    expect([j.add(x, 1), j.add(1, x), j.add(either, x), j.maximum(x, either)].map((y) => y.dtype)).toEqual(
      Array.from({ length: 4 }, () => 'i32'),
    )
    expect(j.where(j.full([2], 1, 'bool'), 1, j.full([], 0, 'f16')).dtype).toBe('f16')
  })
})

describe('treeMap', () => {
  test('gives a leaf of each tree, then its number', () => {
    const [a, b] = [
      { x: j.full([1], 1), y: [j.full([2], 2)] },
      { x: j.full([1], 3), y: [j.full([2], 4)] },
    ]
    const seen: unknown[] = []
    const out = j.treeMap(
      (p, q, r, i: number) => {
        seen.push([p, q, r, i])
        return q
      },
      a,
      b,
      a,
    )
    expect(seen).toEqual([
      [a.x, b.x, a.x, 0],
      [a.y[0], b.y[0], a.y[0], 1],
    ])
    expect(out).toEqual(b)
    // @ts-expect-error -- two trees: the second argument is a leaf, not a number
    j.treeMap((p, i: number) => (i === 0 ? p : p), a, b)
  })

  test('refuses trees of different structures', () => {
    expect(() => j.treeMap((p) => p, { x: j.full([1], 1) }, { y: j.full([1], 1) })).toThrow(
      'treeMap: tree 1 is {"y":*}, expected {"x":*}, the structure of tree 0',
    )
  })
})
