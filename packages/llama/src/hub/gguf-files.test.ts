// GGUF files of repositories, against a small Hub on localhost: by name, by quantisation, in parts, offline.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { HubError } from './error'
import { resolveModel, type ResolveOptions } from './resolve'
import { TestHub } from './test-server'

const commit = 'c0ffee'.padEnd(40, '0')
const part = (n: number) => `big-Q8_0-0000${n}-of-00002.gguf`

let hub: TestHub
let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'jora-hub-gguf-'))
  hub = new TestHub()
  await hub.start()
  const files = [
    'tiny.Q4_K_M.gguf',
    'tiny-q8_0.gguf',
    'sub/tiny-IQ4_XS.gguf',
    'mmproj-tiny-Q4_K_M.gguf',
    part(1),
    part(2),
  ]
  hub.repos['org/tiny-GGUF'] = { commit, files: Object.fromEntries(files.map((name) => [name, `GGUF ${name}`])) }
})
afterEach(async () => {
  await hub.stop()
  await rm(home, { recursive: true, force: true })
})

const env = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
  HF_HOME: home,
  HF_ENDPOINT: hub.endpoint,
  ...more,
})
const get = (name: string, options: ResolveOptions = {}) => resolveModel(name, { env: env(), ...options })
const failure = (promise: Promise<unknown>): Promise<HubError> =>
  promise.then(
    () => expect.unreachable('it went well'),
    (error: unknown) => error as HubError,
  )
const dir = () => join(home, 'hub/models--org--tiny-GGUF/snapshots', commit)
const found = (files: string[]) => ({ dir: dir(), id: 'org/tiny-GGUF', revision: commit, files })

it('are found by name and by quantisation, alone, and again offline', async () => {
  const named = [
    ['org/tiny-GGUF/tiny.Q4_K_M.gguf', ['tiny.Q4_K_M.gguf']],
    ['org/tiny-GGUF/sub/tiny-IQ4_XS.gguf', ['sub/tiny-IQ4_XS.gguf']],
    ['org/tiny-GGUF:q4_k_m', ['tiny.Q4_K_M.gguf']],
    ['org/tiny-GGUF:IQ4_XS', ['sub/tiny-IQ4_XS.gguf']],
    [`org/tiny-GGUF/${part(2)}`, [part(1), part(2)]],
  ] as const
  for (const [name, files] of named) expect(await get(name)).toEqual(found([...files]))
  expect(hub.downloads()).toHaveLength(4)
  const offline = { env: env({ HF_HUB_OFFLINE: '1' }) }
  for (const [name, files] of named) expect(await get(name, offline)).toEqual(found([...files]))
  expect((await failure(get('org/tiny-GGUF/tiny-q8_0.gguf', offline))).message).toMatch(/not whole: .*no GGUF file/)
})

it('that are not there, or not one, are named', async () => {
  expect((await failure(get('org/tiny-GGUF:Q8_0'))).message).toBe(
    `org/tiny-GGUF: has several GGUF files of Q8_0 (${part(1)}, tiny-q8_0.gguf): name one, org/tiny-GGUF/FILE.gguf`,
  )
  expect((await failure(get('org/tiny-GGUF:Q2_K'))).message).toMatch(/has no GGUF file of Q2_K; it has big-Q8_0-/)
  expect((await failure(get('org/tiny-GGUF/none.gguf'))).message).toMatch(/has no GGUF file none.gguf; it has/)
  expect((await failure(get('models/none.gguf'))).message).toMatch(/no file at .*none\.gguf/)
  expect((await failure(get('org/tiny-GGUF'))).message).toBe(
    `org/tiny-GGUF: has no config.json; it has GGUF files: name one, as org/tiny-GGUF/${part(1)}`,
  )
})
