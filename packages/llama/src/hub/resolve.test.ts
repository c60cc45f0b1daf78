// resolveModel against a small Hub on localhost: download, cache, offline, refusals, cut connections, abort.

import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { scanCacheDir } from '@huggingface/hub'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HubError } from './error'
import { resolveModel, type ResolveOptions } from './resolve'
import { fail, isDownload, TestHub } from './test-server'

const commit = 'c0ffee'.padEnd(40, '0')
const weights = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 3)
const shard = (n: number) => `model-0000${n}-of-00002.safetensors`
const index = JSON.stringify({ metadata: {}, weight_map: { a: shard(1), b: shard(2), c: shard(1) } })

let hub: TestHub
let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'jora-hub-'))
  hub = new TestHub()
  await hub.start()
  hub.repos['org/tiny'] = {
    commit,
    files: {
      'config.json': '{"model_type":"llama"}',
      'tokenizer.json': '{}',
      'README.md': 'read me',
      'pytorch_model.bin': 'pickle',
      'model.safetensors': weights,
      'original/params.json': '{}',
    },
    lfs: ['model.safetensors'],
  }
})
afterEach(async () => {
  await hub.stop()
  await rm(home, { recursive: true, force: true })
})

function env(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { HF_HOME: home, HF_ENDPOINT: hub.endpoint, ...more }
}

function get(id = 'org/tiny', options: ResolveOptions = {}) {
  return resolveModel(id, { env: env(), ...options })
}

async function failure(promise: Promise<unknown>): Promise<HubError> {
  const error = await promise.then(
    () => new Error('it went well'),
    (reason: unknown) => reason,
  )
  if (!(error instanceof HubError)) throw error
  return error
}

const blobs = () => readdir(join(home, 'hub/models--org--tiny/blobs'))

describe('download', () => {
  it('fetches what a decoder needs into the standard layout', async () => {
    const events: string[] = []
    const onProgress = (e: { file: string; receivedBytes: number; totalBytes: number }) => {
      if (e.receivedBytes === e.totalBytes) events.push(`${e.file} ${e.totalBytes}`)
    }
    const model = await get('org/tiny', { onProgress })
    const root = join(home, 'hub/models--org--tiny')
    expect(model).toEqual({
      dir: join(root, 'snapshots', commit),
      id: 'org/tiny',
      revision: commit,
      files: ['config.json', 'tokenizer.json', 'model.safetensors'],
    })
    expect(events).toEqual(['config.json 22', 'tokenizer.json 2', 'model.safetensors 300000'])
    expect(await readdir(model.dir)).toEqual(['config.json', 'model.safetensors', 'tokenizer.json'])
    expect(new Uint8Array(await readFile(join(model.dir, 'model.safetensors')))).toEqual(weights)
    expect(await readFile(join(root, 'refs/main'), 'utf8')).toBe(commit)
    // Blobs are named as huggingface_hub names them: git object id, or SHA-256 of large files.
    expect((await blobs()).map((name) => name.length).sort()).toEqual([40, 40, 64])
    const { repos, warnings } = await scanCacheDir(join(home, 'hub'))
    expect(warnings).toEqual([])
    expect(repos[0]?.revisions).toMatchObject([{ commitOid: commit, refs: ['main'], size: 300_024 }])
    expect((await lstat(join(model.dir, 'config.json'))).isSymbolicLink()).toBe(true)
    expect(await readlink(join(model.dir, 'config.json'))).toMatch(/^\.\.[/\\]\.\.[/\\]blobs[/\\]/)
  })

  it('uses the cache the second time, and blobs across commits', async () => {
    await get()
    hub.requests = []
    expect((await get()).revision).toBe(commit)
    expect(hub.downloads()).toEqual([])
    const repo = hub.repos['org/tiny']!
    repo.commit = 'f'.repeat(40)
    repo.files['config.json'] = '{"model_type":"gemma"}'
    const model = await get()
    expect(model.revision).toBe(repo.commit)
    expect(hub.downloads()).toEqual([`/org/tiny/resolve/${repo.commit}/config.json whole`])
    expect(await readFile(join(model.dir, 'config.json'), 'utf8')).toContain('gemma')
  })

  it('fetches the shards of the index', async () => {
    const { files } = hub.repos['org/tiny']!
    delete files['model.safetensors']
    Object.assign(files, { 'model.safetensors.index.json': index, [shard(1)]: 'one', [shard(2)]: 'two' })
    const model = await get()
    expect(model.files.slice(-3)).toEqual(['model.safetensors.index.json', shard(1), shard(2)])
  })

  it('fetches a single file rather than the shards of an index beside it, as transformers', async () => {
    const { files } = hub.repos['org/tiny']!
    Object.assign(files, { 'model.safetensors.index.json': index, [shard(1)]: 'one', [shard(2)]: 'two' })
    const model = await get()
    expect(model.files.at(-1)).toBe('model.safetensors')
    expect(hub.downloads().some((line) => line.includes(shard(1)))).toBe(false)
  })

  it('by Xet, and by plain HTTP where HF_HUB_DISABLE_XET says so', async () => {
    hub.repos['org/tiny']!.xet = ['model.safetensors']
    const model = await get('org/tiny', { token: 'secret' })
    expect(new Uint8Array(await readFile(join(model.dir, 'model.safetensors')))).toEqual(weights)
    expect(hub.requests.some(({ path }) => path.includes('xet-xorb'))).toBe(true)
    hub.requests = []
    await get('org/tiny', { env: env({ HF_HUB_CACHE: join(home, 'other'), HF_HUB_DISABLE_XET: '1' }) })
    expect(hub.requests.some(({ path }) => path.includes('xet-'))).toBe(false)
  })

  it.each(['v1', 'refs/pr/1', commit])('takes revision %s', async (revision) => {
    expect((await get('org/tiny', { revision })).revision).toBe(commit)
    expect((await get('org/tiny', { revision, offline: true })).revision).toBe(commit)
  })

  it('in two processes’ manner at once', async () => {
    const [one, two] = await Promise.all([get(), get()])
    expect(one).toEqual(two)
    expect(await blobs()).toHaveLength(3)
  })
})

describe('settings', () => {
  it.each([
    ['HF_TOKEN', async () => ({ HF_TOKEN: 'tok' })],
    ['the token file of HF_HOME', async () => (await writeFile(join(home, 'token'), 'tok\n'), {})],
    ['HF_TOKEN_PATH', async () => (await writeFile(join(home, 'mine'), 'tok'), { HF_TOKEN_PATH: join(home, 'mine') })],
  ])('sends the token of %s to the Hub, and not to the storage host', async (_, prepare) => {
    await get('org/tiny', { env: env(await prepare()) })
    const sent = (host: string) => new Set(hub.requests.filter((r) => r.host === host).map((r) => r.authorization))
    expect(sent('hub')).toEqual(new Set(['Bearer tok']))
    expect(sent('storage')).toEqual(new Set([undefined]))
  })

  it('options win over the environment', async () => {
    const options = { token: 'mine', endpoint: `${hub.endpoint}/`, cacheDir: join(home, 'c') }
    const model = await resolveModel('org/tiny', { ...options, env: env({ HF_TOKEN: 'no', HF_ENDPOINT: 'http://no' }) })
    expect(model.dir.startsWith(join(home, 'c'))).toBe(true)
    expect(hub.requests[0]?.authorization).toBe('Bearer mine')
  })

  it('HF_HUB_CACHE is the cache itself', async () => {
    const model = await get('org/tiny', { env: env({ HF_HUB_CACHE: join(home, 'x') }) })
    expect(model.dir).toBe(join(home, 'x/models--org--tiny/snapshots', commit))
  })

  it('refuses a token a header cannot carry, without showing it', async () => {
    const error = await failure(get('org/tiny', { token: 'hf_sec\nret' }))
    expect(error.code).toBe('InvalidName')
    expect(String(error.stack)).not.toContain('hf_sec')
  })

  it('refuses an endpoint that is no URL', async () => {
    expect((await failure(get('org/tiny', { endpoint: 'ftp://x' }))).message).toContain('HF_ENDPOINT')
  })
})

describe('offline', () => {
  it('uses the cached snapshot and asks no one', async () => {
    const online = await get()
    hub.requests = []
    expect(await get('org/tiny', { env: env({ HF_HUB_OFFLINE: '1' }) })).toEqual(online)
    expect(hub.requests).toEqual([])
  })

  it('says what is missing', async () => {
    const none = await failure(get('org/tiny', { offline: true }))
    expect(none.code).toBe('Offline')
    expect(none.message).toContain('org/tiny: revision main is not in the cache')
    const { dir } = await get()
    await rm(join(dir, 'model.safetensors'))
    const part = await failure(get('org/tiny', { offline: true }))
    expect(part.message).toMatch(/is not whole: has no \.safetensors weights; unset HF_HUB_OFFLINE/)
  })

  it('keeps the branch at the last whole snapshot', async () => {
    await get()
    const repo = hub.repos['org/tiny']!
    repo.commit = 'f'.repeat(40)
    repo.files['model.safetensors'] = 'new weights'
    hub.intercept = (request, res) => isDownload(request) && (fail(res, 404), true)
    await failure(get())
    expect((await get('org/tiny', { offline: true })).revision).toBe(commit)
  })
})

describe('refusals name the model and the cause', () => {
  it('gated, without and with a token', async () => {
    hub.repos['org/tiny']!.gatedToken = 'good'
    const without = await failure(get())
    expect(without.code).toBe('Unauthorized')
    const terms = `accept its terms at ${hub.endpoint}/org/tiny`
    expect(without.message).toBe(
      `org/tiny: gated: ${terms}, then give a token that may read it: HF_TOKEN, or \`hf auth login\` (401)`,
    )
    expect((await failure(get('org/tiny', { token: 'bad-token' }))).message).not.toContain('bad-token')
    expect((await get('org/tiny', { token: 'good' })).revision).toBe(commit)
  })

  it('401 on the model itself', async () => {
    hub.intercept = (_, res) => (fail(res, 401, 'RepoNotFound'), true)
    expect((await failure(get())).message).toContain('no such model at')
    expect((await failure(get('org/tiny', { token: 'sesame' }))).message).toContain('the token was refused (401)')
  })

  it('no such model, no such revision', async () => {
    const model = await failure(get('org/none'))
    expect([model.code, model.message]).toEqual([
      'NotFound',
      `org/none: neither a local folder nor a model at ${hub.endpoint} (404)`,
    ])
    const revision = await failure(get('org/tiny', { revision: 'nope' }))
    expect(revision.message).toBe('org/tiny: no revision "nope" (404)')
  })

  it('no one there', async () => {
    const error = await failure(get('org/tiny', { endpoint: 'http://127.0.0.1:9' }))
    expect(error.code).toBe('Unreachable')
    expect(error.message).toContain('HF_HUB_OFFLINE=1')
  })

  it('pickle weights only, no config, nothing fetched', async () => {
    const { files } = hub.repos['org/tiny']!
    delete files['model.safetensors']
    expect((await failure(get())).message).toContain('has no .safetensors weights (it has pytorch_model.bin')
    delete files['config.json']
    expect((await failure(get())).message).toBe('org/tiny: has no config.json')
    expect(hub.downloads()).toEqual([])
  })
})

describe('names that leave the folder', () => {
  it.each([
    '../x.safetensors',
    'a/../../x.safetensors',
    '/etc/x.safetensors',
    'C:\\x.safetensors',
    'C:x.safetensors',
    '\\\\host\\x.safetensors',
    'a\\..\\x.safetensors',
    '..',
    './x.safetensors',
    'a//x.safetensors',
    'x\0.safetensors',
  ])('in the index: %j', async (name) => {
    const text = JSON.stringify({ weight_map: { a: name } })
    const { files } = hub.repos['org/tiny']!
    delete files['model.safetensors']
    Object.assign(files, { 'model.safetensors.index.json': text, [name]: 'evil' })
    const error = await failure(get())
    expect(error.code).toBe('InvalidName')
    expect(error.message).toContain(`names ${JSON.stringify(name)}`)
    const folder = join(home, 'local')
    await mkdir(folder)
    await writeFile(join(folder, 'model.safetensors.index.json'), text)
    expect((await failure(resolveModel(folder))).code).toBe('InvalidName')
  })

  it.each([
    '../x',
    'org/../x',
    '/no/such/dir',
    'C:\\models',
    '\\\\host\\share',
    'org/na me',
    'org/a--b',
    'a/b/c',
    '-x',
    '',
  ])('as id: %j', async (id) => {
    expect(['InvalidName', 'LocalFolder']).toContain((await failure(get(id))).code)
    expect(hub.requests).toEqual([])
  })

  it.each(['../../x', '/x', 'a/../b', 'C:x', 'a\\b', '', 'a//b', '.git'])('as revision: %j', async (revision) => {
    expect((await failure(get('org/tiny', { revision }))).code).toBe('InvalidName')
    expect(hub.requests).toEqual([])
  })
})

describe('a Hub that falters', () => {
  it('429 with Retry-After, then 503, then well', async () => {
    const answers = [429, 503]
    hub.intercept = (_, res) => {
      const status = answers.shift()
      if (status) fail(res, status, '', { 'Retry-After': '0' })
      return status !== undefined
    }
    expect((await get()).revision).toBe(commit)
  })

  it('429 for longer than it is worth waiting', async () => {
    hub.intercept = (_, res) => (fail(res, 429, '', { 'Retry-After': '3600' }), true)
    const error = await failure(get())
    expect([error.code, hub.requests.length]).toEqual(['RateLimited', 1])
    expect(error.message).toContain('try again in 3600 s; with a token (HF_TOKEN) the limit is higher')
  })

  it('a cut connection goes on where it stopped', async () => {
    let cut = false
    hub.intercept = ({ host, range }, res, body) => {
      if (host !== 'storage' || range || cut || !body) return false
      cut = true
      res.writeHead(200, { 'Content-Length': body.length, ETag: '"e"' })
      res.write(body.subarray(0, 100_000), () => setTimeout(() => res.destroy(), 50))
      return true
    }
    const { dir } = await get()
    expect(new Uint8Array(await readFile(join(dir, 'model.safetensors')))).toEqual(weights)
    expect(hub.requests.filter(({ host }) => host === 'storage').at(-1)?.range).toMatch(/^bytes=[1-9]\d*-299999$/)
  })

  it.each(['other bytes', 'fewer bytes'])('%s than it announced leave nothing', async (what) => {
    const wrong = what === 'other bytes' ? new Uint8Array(weights.length) : weights.subarray(1)
    hub.intercept = ({ host, range }, res) => {
      if (host !== 'storage') return false
      if (range === 'bytes=0-0') res.writeHead(206, { 'Content-Range': `bytes 0-0/${wrong.length}`, ETag: '"e"' })
      res.end(range === 'bytes=0-0' ? wrong.subarray(0, 1) : wrong)
      return true
    }
    expect((await failure(get())).code).toBe('Corrupt')
    expect((await blobs()).map((name) => name.length)).toEqual([40, 40])
  })

  it('an abort leaves no half file, and the next call is well', async () => {
    const stop = new AbortController()
    hub.intercept = ({ host, range }, res, body) => {
      if (host !== 'storage' || range || !body) return false
      res.writeHead(200, { 'Content-Length': body.length, ETag: '"e"' })
      res.write(body.subarray(0, 100_000))
      return true
    }
    const onProgress = ({ file }: { file: string }) => {
      if (file === 'model.safetensors') stop.abort(new Error('enough'))
    }
    await expect(get('org/tiny', { signal: stop.signal, onProgress })).rejects.toThrow('enough')
    expect((await blobs()).map((name) => name.length)).toEqual([40, 40])
    hub.intercept = undefined
    expect((await get()).files).toContain('model.safetensors')
    await expect(get('org/tiny', { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before')
  })

  it('a cache that cannot be written', async () => {
    await writeFile(join(home, 'hub'), 'a file')
    expect((await failure(get())).code).toBe('Cache')
  })
})

describe('local folders', () => {
  it('are taken as they stand', async () => {
    for (const name of ['config.json', 'tokenizer.json', 'b.safetensors', 'a.safetensors', 'notes.txt']) {
      await writeFile(join(home, name), '')
    }
    const files = ['config.json', 'tokenizer.json', 'a.safetensors', 'b.safetensors']
    expect(await get(home)).toEqual({ dir: home, files })
    expect(hub.requests).toEqual([])
  })

  it('that lack a shard say so', async () => {
    await writeFile(join(home, 'model.safetensors.index.json'), index)
    await writeFile(join(home, shard(1)), '')
    expect((await failure(get(home))).message).toContain(`names ${shard(2)}, which is not in ${home}`)
  })

  it('that are not there, or files', async () => {
    await writeFile(join(home, 'f'), '')
    expect((await failure(get(join(home, 'no')))).message).toContain('no folder at')
    expect((await failure(get(join(home, 'f')))).message).toContain('is a file, expected a model folder')
  })

  it('with a bad index', async () => {
    for (const [text, why] of [
      ['{', 'is not JSON'],
      ['null', 'has no weight_map'],
      ['{"weight_map":{}}', 'has an empty weight_map'],
      ['{"weight_map":{"a":3}}', 'not a file name'],
      ['{"weight_map":{"a":"x.bin"}}', 'x.bin, which is not a safetensors file'],
    ] as const) {
      await writeFile(join(home, 'model.safetensors.index.json'), text)
      expect((await failure(get(home))).message).toContain(why)
    }
  })
})
