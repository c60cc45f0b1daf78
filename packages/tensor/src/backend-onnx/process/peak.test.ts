import { expect, test } from 'vitest'
import { peakMemory } from './peak'

test('the peak is at least what was resident before, and what is now', () => {
  const before = peakMemory()
  const large = Buffer.alloc(2 ** 26, 1)
  const { rss } = process.memoryUsage()
  expect(peakMemory()).toBeGreaterThanOrEqual(Math.max(before, rss - 2 ** 22))
  expect(large.length).toBe(2 ** 26)
})
