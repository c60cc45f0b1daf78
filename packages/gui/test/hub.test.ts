// The Hub over the API, against a small server that stands for it.
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { Space, until, type TestServer } from './harness'

const space = new Space()
let hub: Server
let answer: RequestListener = () => {}
let server: TestServer
const asked: string[] = []

beforeAll(async () => {
  hub = createServer((request, response) => {
    asked.push(request.url ?? '')
    answer(request, response)
  })
  await new Promise<void>((done) => hub.listen(0, '127.0.0.1', done))
  vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(hub.address() as AddressInfo).port}`)
  vi.stubEnv('HF_HOME', space.dir)
  vi.stubEnv('HF_HUB_OFFLINE', '')
  vi.stubEnv('HF_TOKEN', '')
  server = await space.start()
})
afterEach(() => vi.stubEnv('HF_HUB_OFFLINE', ''))
afterAll(async () => {
  vi.unstubAllEnvs()
  await space.remove()
  hub.close()
})

test('finds models, and says which JORA computes', async () => {
  const found = [
    {
      id: 'org/llama',
      downloads: 9,
      likes: 2,
      gated: 'manual',
      config: { model_type: 'llama' },
      safetensors: { total: 7e9 },
    },
    { id: 'org/other', config: { model_type: 'mamba' }, safetensors: null, lastModified: '2026-01-01T00:00:00.000Z' },
    { id: '../../etc', config: {} },
  ]
  answer = (_, response) => response.end(JSON.stringify(found))
  expect(await server.client.searchHub('small & <fast>')).toEqual([
    {
      id: 'org/llama',
      family: 'llama',
      supported: true,
      parameters: 7e9,
      downloads: 9,
      likes: 2,
      gated: true,
      updatedAt: null,
      cached: false,
    },
    {
      id: 'org/other',
      family: 'mamba',
      supported: false,
      parameters: null,
      downloads: 0,
      likes: 0,
      gated: false,
      updatedAt: '2026-01-01T00:00:00.000Z',
      cached: false,
    },
  ])
  const query = new URL(asked.at(-1)!, 'http://hub').searchParams
  expect([query.get('search'), query.get('filter'), query.get('pipeline_tag')]).toEqual([
    'small & <fast>',
    'safetensors',
    'text-generation',
  ])
})

test.each<[string, RequestListener, string]>([
  ['an error', (_, response) => void response.writeHead(500).end(), 'answered 500'],
  ['a page', (_, response) => void response.end('<html>'), 'not a list of models'],
  ['nothing', (_, response) => void response.destroy(), 'does not answer'],
])('says so when the Hub answers with %s', async (_what, listener, message) => {
  answer = listener
  await expect(server.client.searchHub('llama')).rejects.toMatchObject({ message: expect.stringContaining(message) })
})

test('asks nobody when offline, and says how to change that', async () => {
  vi.stubEnv('HF_HUB_OFFLINE', '1')
  const before = asked.length
  await expect(server.client.searchHub('llama')).rejects.toMatchObject({
    code: 'offline',
    message: expect.stringContaining('HF_HUB_OFFLINE'),
  })
  expect((await server.client.session()).hub).toMatchObject({ offline: true, hasToken: false })
  const settings = { ...space.settings(1, 1), model: 'org/llama' }
  await expect(server.client.createRun({ kind: 'train', settings })).rejects.toMatchObject({
    issues: [{ path: 'settings.model', message: expect.stringContaining('HF_HUB_OFFLINE') }],
  })
  expect(asked.length).toBe(before)
})

test('a download that fails is a job that says why; one that hangs can be cancelled', async () => {
  answer = (_, response) => void response.writeHead(404).end()
  const failed = await server.client.downloadModel('org/none')
  await until('it failed', async () => (await server.client.job(failed.id)).state === 'failed')
  expect((await server.client.job(failed.id)).message).toContain('org/none: ')
  answer = () => {}
  const hanging = await server.client.downloadModel('org/slow')
  expect(hanging).toMatchObject({ state: 'running', kind: 'download', title: 'org/slow' })
  await server.client.cancelJob(hanging.id)
  await until('it is cancelled', async () => (await server.client.job(hanging.id)).state === 'cancelled')
  expect((await server.client.jobs()).map(({ state }) => state)).toEqual(['cancelled', 'failed'])
})
