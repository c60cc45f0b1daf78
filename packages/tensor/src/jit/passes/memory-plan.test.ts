// Memory plans: what lives at the same time never shares a byte.
import { describe, expect, test } from 'vitest'
import { planMemory, type Lifetime } from './memory-plan'

const options = { alignment: 256, maxPageBytes: 2 ** 20 }

function randomLifetimes(seed: number, count: number): Lifetime[] {
  let state = seed
  const below = (n: number) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % n
  return Array.from({ length: count }, () => {
    const first = below(50)
    return { bytes: 1 + below(20_000), first, last: first + below(12) }
  })
}

describe('planMemory', () => {
  test.each([1, 2, 3, 4, 5])('no two values that live together overlap, seed %i', (seed) => {
    const values = randomLifetimes(seed, 120)
    const { places, pageBytes, unsharedBytes } = planMemory(values, { alignment: 256, maxPageBytes: 100_000 })
    for (const [i, a] of values.entries()) {
      const place = places[i]!
      expect(place.offset % 256).toBe(0)
      expect(place.offset + a.bytes).toBeLessThanOrEqual(pageBytes[place.page]!)
      expect(pageBytes[place.page]).toBeLessThanOrEqual(100_000)
      for (let j = 0; j < i; j++) {
        const [b, other] = [values[j]!, places[j]!]
        if (place.page !== other.page || a.last < b.first || b.last < a.first) continue
        const apart = place.offset + a.bytes <= other.offset || other.offset + b.bytes <= place.offset
        if (!apart) throw new Error(`values ${j} and ${i} overlap at ${other.offset} and ${place.offset}`)
      }
    }
    expect(pageBytes.reduce((n, bytes) => n + bytes, 0)).toBeLessThan(unsharedBytes / 2)
  })

  test('values one after another share one place', () => {
    const values = [0, 1, 2, 3].map((step) => ({ bytes: 1000, first: step, last: step }))
    expect(planMemory(values, options)).toEqual({
      places: values.map(() => ({ page: 0, offset: 0 })),
      pageBytes: [1024],
      unsharedBytes: 4096,
    })
  })

  test('a value larger than a page has a page of its own', () => {
    const { pageBytes } = planMemory([{ bytes: 3000, first: 0, last: 1 }], { alignment: 256, maxPageBytes: 1024 })
    expect(pageBytes).toEqual([3072])
  })
})
