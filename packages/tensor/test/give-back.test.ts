// Memory goes back to the system when it is freed, whatever was made after it.
import { setTimeout } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { giveBack, openGiveBack } from '../src/backend-onnx/process/give-back'

test('blocks that are freed between others go back', async (ctx) => {
  ctx.skip(process.platform !== 'linux', 'only glibc is told to')
  expect(await openGiveBack()).toBe(true)
  // Once a large block is freed, glibc takes blocks of up to its size from heaps, which alone keep their free pages.
  const [count, bytes] = [200, 2 ** 20]
  expect(Buffer.alloc(2 ** 24, 1)).toHaveLength(2 ** 24)
  giveBack()
  await setTimeout(200)
  const blocks: (Uint8Array | undefined)[] = Array.from({ length: count }, () => new Uint8Array(bytes).fill(1))
  const full = process.memoryUsage.rss()
  for (let i = 0; i < count; i++) if (i % 10 !== 0) blocks[i] = undefined
  // Garbage enough that it is collected.
  let last: unknown
  for (let i = 0; i < 600_000; i++) last = [last && i, { i }, [i, i, i, i]]
  expect(last).toBeDefined()
  expect(blocks.filter(Boolean)).toHaveLength(count / 10)
  // What buffers held is freed on another thread, some time after they were collected.
  await vi.waitFor(
    () => {
      giveBack()
      expect(full - process.memoryUsage.rss()).toBeGreaterThan(0.6 * count * bytes)
    },
    { timeout: 10_000 },
  )
})
