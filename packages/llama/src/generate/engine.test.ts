// The queue of the engine: its order, and who leaves it.
import { expect, test } from 'vitest'
import type { Generator } from './generate'
import { Engine } from './engine'

/** Takes turns only; no model is needed to stand in a queue. */
const engineOf = () => new Engine({} as Generator)

/** Work that lasts until it is released. */
function held() {
  let release!: () => void
  const until = new Promise<void>((resolve) => (release = resolve))
  return { until, release }
}

test('one runs at a time, in the order they came', async () => {
  const engine = engineOf()
  const order: number[] = []
  const first = held()
  const all = [0, 1, 2, 3].map((n) =>
    engine.exclusively(async () => {
      if (n === 0) await first.until
      order.push(n)
    }),
  )
  await Promise.resolve()
  expect({ running: engine.running, waiting: engine.waiting }).toEqual({ running: true, waiting: 3 })
  first.release()
  await Promise.all(all)
  expect(order).toEqual([0, 1, 2, 3])
  expect({ running: engine.running, waiting: engine.waiting }).toEqual({ running: false, waiting: 0 })
})

test('who is aborted while waiting leaves the queue; a failure hands the turn on', async () => {
  const engine = engineOf()
  const first = held()
  const running = engine.exclusively(async () => {
    await first.until
    throw new Error('failed')
  })
  const abort = new AbortController()
  const gone = engine.exclusively(async () => 'never', abort.signal)
  abort.abort(new Error('gone'))
  await expect(gone).rejects.toThrow('gone')
  const next = engine.exclusively(async () => 'next')
  first.release()
  await expect(running).rejects.toThrow('failed')
  expect(await next).toBe('next')
  await expect(engine.exclusively(async () => {}, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
})
