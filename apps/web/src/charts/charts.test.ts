// Smoothing, thinning and joining of curves.
import { describe, expect, test } from 'vitest'
import { evenly, extremes } from './downsample'
import { align, lastOf, valueAt } from './lines'
import { smooth } from './smooth'
import { sparkPath } from './sparkline'

describe('smooth', () => {
  test('a constant stays itself from its first point on', () => {
    for (const value of smooth([2, 2, 2, 2], 0.9)) expect(value).toBeCloseTo(2, 12)
  })
  test('strength 0 changes nothing; holes stay and are stepped over', () => {
    expect(smooth([1, 5, null, 3], 0)).toEqual([1, 5, null, 3])
    const [a, hole, b] = smooth([1, null, 3], 0.5)
    expect([a, hole]).toEqual([1, null])
    // (0.5 · 0.5 · 1 + 0.5 · 3) / 0.75
    expect(b).toBeCloseTo(7 / 3, 12)
  })
  test('a loss that is not a number does not spoil what follows', () => {
    expect(smooth([1, Number.NaN, 1], 0.9)[2]).toBeCloseTo(1, 12)
  })
})

describe('fewer points', () => {
  const values = Array.from({ length: 10_000 }, (_, i) => Math.sin(i / 500))
  values[4321] = 9
  values[7000] = -9
  test('extremes keep ends and outliers, in order, within the bound', () => {
    const kept = extremes(values, 60)
    expect(kept.length).toBeLessThanOrEqual(120)
    expect(kept).toEqual([...kept].sort((a, b) => a - b))
    for (const index of [0, 4321, 7000, 9999]) expect(kept).toContain(index)
    expect(extremes([3, 1, 2], 60)).toEqual([0, 1, 2])
  })
  test('evenly has first and last', () => {
    expect(evenly(5, 10)).toEqual([0, 1, 2, 3, 4])
    const rows = evenly(10_000, 200)
    expect([rows.length, rows[0], rows.at(-1)]).toEqual([200, 0, 9999])
  })
  test('a sparkline of equal values has no holes in its path', () => {
    expect(sparkPath([1, 1, 1])).toBe('M0.0 32.0L64.0 32.0L128.0 32.0')
  })
})

describe('lines', () => {
  test('curves of several runs share one axis', () => {
    expect(
      align([
        { x: [1, 2, 3], y: [10, 20, 30] },
        { x: [2, 4], y: [5, null] },
      ]),
    ).toEqual({
      x: [1, 2, 3, 4],
      ys: [
        [10, 20, 30, null],
        [null, 5, null, null],
      ],
    })
  })
  test('a sparse line is read from its last point', () => {
    const values = [null, 2, null]
    expect(valueAt({ label: '', colour: 1, values, sparse: true }, 2)).toBe(2)
    expect(valueAt({ label: '', colour: 1, values }, 2)).toBeNull()
    expect(valueAt({ label: '', colour: 1, values, sparse: true }, 0)).toBeNull()
    expect([lastOf({ values }), lastOf({ values: [] })]).toEqual([2, null])
  })
})
