import { expect, test } from 'vitest'
import { peakMemory } from './peak'

test('the peak is at least what is resident, and stays when that is released', () => {
  const before = peakMemory()
  const bytes = 2 ** 26
  const large = Buffer.alloc(bytes, 1)
  const { rss } = process.memoryUsage()
  expect(peakMemory()).toBeGreaterThanOrEqual(Math.max(before, rss - 2 ** 22))
  expect(large.length).toBe(bytes)
})
