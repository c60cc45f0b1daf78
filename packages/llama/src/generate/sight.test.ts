import { expect, test } from 'vitest'
import { nextSize } from './sight'

test('caches are of few sizes, which hold what is asked for and little more', () => {
  const sizes = Array.from({ length: 8192 }, (_, i) => nextSize(i + 1))
  for (const [i, size] of sizes.entries()) {
    expect(size).toBeGreaterThanOrEqual(i + 1)
    if (i >= 64) expect(size).toBeLessThan(1.5 * (i + 1))
  }
  expect([...new Set(sizes)].slice(0, 9)).toEqual([64, 96, 128, 192, 256, 384, 512, 768, 1024])
  expect(new Set(sizes).size).toBe(21)
})
