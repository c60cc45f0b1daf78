// How often hubFetch tries, and how long it waits.

import { afterEach, beforeEach, expect, it } from 'vitest'
import { hubFetch } from './http'
import { fail, TestHub } from './test-server'

let hub: TestHub
beforeEach(async () => {
  hub = new TestHub()
  await hub.start()
})
afterEach(() => hub.stop())

const get = (signal?: AbortSignal, backoffMs = 1) =>
  hubFetch({ id: 'o/m', revision: 'main', endpoint: hub.endpoint, token: 'sesame', signal, backoffMs })(
    `${hub.endpoint}/x`,
  )

it.each([500, 502, 503, 408])('gives up on %i after 5 tries', async (status) => {
  hub.intercept = (_, res) => (fail(res, status), true)
  await expect(get()).rejects.toMatchObject({ code: 'ServerError', message: expect.stringContaining(`${status}`) })
  expect(hub.requests).toHaveLength(5)
})

it('gives up on cut connections after 5 tries', async () => {
  hub.intercept = (_, res) => (res.destroy(), true)
  await expect(get()).rejects.toMatchObject({ code: 'Unreachable' })
  expect(hub.requests).toHaveLength(5)
})

it.each([{ 'Retry-After': '1' }, { RateLimit: '"api";r=0;t=1' }])('waits as long as %j says', async (headers) => {
  let limited = false
  hub.intercept = (_, res) => {
    if (limited) res.end('well')
    else fail(res, 429, '', headers)
    limited = true
    return true
  }
  const start = performance.now()
  expect(await (await get()).text()).toBe('well')
  expect(performance.now() - start).toBeGreaterThan(900)
})

it('stops waiting when aborted', async () => {
  hub.intercept = (_, res) => (fail(res, 503), true)
  await expect(get(AbortSignal.timeout(100), 60_000)).rejects.toThrow('aborted')
  expect(hub.requests).toHaveLength(1)
})

it('tries no refusal twice, and hands a missing file on', async () => {
  hub.intercept = (_, res) => (fail(res, 403), true)
  await expect(get()).rejects.toMatchObject({ code: 'Unauthorized', message: expect.not.stringContaining('sesame') })
  hub.intercept = (_, res) => (fail(res, 404, 'EntryNotFound'), true)
  expect((await get()).status).toBe(404)
  expect(hub.requests).toHaveLength(2)
})
