// pushToHub against a small Hub on localhost: what is sent, what is not sent twice, what is never sent, and every refusal.
import { rm, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type PushEvent, type PushOptions } from '../src/index'
import { fail } from './hub-server'
import {
  noise,
  shard,
  isCommit,
  hub,
  root,
  adapter,
  model,
  write,
  push,
  refused,
  served,
  again,
  setUp,
} from './push-harness'

setUp()

describe('a push', () => {
  test('makes a private repository and sends all in one commit, files from disk with their length', async () => {
    const events: PushEvent[] = []
    const result = await push({ folder: adapter, onProgress: (event) => events.push(event) })
    expect(result).toMatchObject({ created: true, visibility: 'private', url: `${hub.endpoint}/ali/tuned`, notes: [] })
    expect(result.files.map(({ name, there }) => [name, there])).toEqual([
      ['README.md', false],
      ['adapter_config.json', false],
      ['adapter_model.safetensors', false],
    ])
    expect(hub.repos['ali/tuned']).toMatchObject({ private: true, titles: ['Upload with JORA'] })
    expect(hub.repos['ali/tuned']!.branches.main!['adapter_model.safetensors']).toEqual(noise(200_000, 1))
    expect(hub.repos['ali/tuned']!.branches.main!['README.md']!.toString()).toBe('# mine\n')
    const create = hub.requests.find(({ path }) => path === '/api/repos/create')!
    expect(JSON.parse(create.body.toString())).toMatchObject({ visibility: 'private', type: 'model' })
    expect(hub.uploads().map(({ contentLength, authorization }) => [contentLength, authorization])).toEqual([
      ['200000', undefined],
    ])
    const sent = events.filter((event) => event.type === 'sent')
    expect(sent.at(-1)).toMatchObject({ sentBytes: 200_000 + 21 + 7, totalBytes: 200_000 + 21 + 7 })
    expect(events[0]).toMatchObject({ type: 'plan' })
    expect(events.at(-1)).toMatchObject({ type: 'commit' })
  })

  test('a second one sends nothing; a changed file alone goes', async () => {
    await push({ folder: adapter })
    again()
    const second = await push({ folder: adapter })
    expect(second.files.every(({ there }) => there)).toBe(true)
    expect(hub.writes()).toEqual([])
    await writeFile(join(adapter, 'adapter_model.safetensors'), noise(200_000, 9))
    expect((await push({ folder: adapter })).files.filter(({ there }) => !there)).toHaveLength(1)
    expect(hub.uploads()).toHaveLength(1)
  })

  test('a large one goes in several commits, weights first, all else last', async () => {
    const commits: string[][] = []
    const onProgress = (event: PushEvent) => event.type === 'commit' && commits.push([...event.files])
    const result = await push({ folder: model, maxCommitBytes: 600_000, onProgress })
    expect(commits).toEqual([
      [shard(1), shard(2)],
      [shard(3)],
      ['config.json', 'model.safetensors.index.json', 'tokenizer.json'],
    ])
    expect(result.commits).toHaveLength(3)
    expect(hub.repos['ali/tuned']!.titles).toEqual([1, 2, 3].map((n) => `Upload with JORA (part ${n} of 3)`))
  })

  test('large files go in parts where the storage asks for it, each tried again', async () => {
    hub.partBytes = 70_000
    let failures = 2
    hub.intercept = ({ path }, res) => path.includes('part=2') && failures-- > 0 && (fail(res, 503), true)
    await push({ folder: adapter })
    expect(hub.repos['ali/tuned']!.branches.main!['adapter_model.safetensors']).toEqual(noise(200_000, 1))
    expect(hub.uploads()).toHaveLength(5)
  })

  test('a large file passes through memory in pieces', async () => {
    const path = join(root, 'large.gguf')
    await writeFile(path, '')
    await truncate(path, 256e6)
    hub.discards = true
    let peak = 0
    const onProgress = () => (peak = Math.max(peak, process.memoryUsage().arrayBuffers))
    await push({ files: [path], onProgress })
    expect(hub.uploads().map(({ contentLength }) => contentLength)).toEqual(['256000000'])
    expect(peak).toBeLessThan(100e6)
  })

  test('public where asked for; an existing repository keeps its visibility, and says so', async () => {
    expect(await push({ folder: adapter, private: false })).toMatchObject({ visibility: 'public', notes: [] })
    expect(hub.repos['ali/tuned']!.private).toBe(false)
    again()
    await rm(join(adapter, 'README.md'))
    const result = await push({ folder: adapter, private: true })
    expect(result).toMatchObject({ visibility: 'public', created: false })
    expect(result.notes).toEqual(['ali/tuned is public, and stays so: everyone can see what is pushed'])
    expect(hub.writes()).toEqual([])
  })

  test('to a branch that is made, and is found again', async () => {
    hub.addRepo('ali/tuned')
    const result = await push({ folder: adapter, revision: 'runs/two' })
    expect(result.url).toBe(`${hub.endpoint}/ali/tuned/tree/runs%2Ftwo`)
    expect(served('ali/tuned', 'runs/two')).toContain('adapter_model.safetensors')
    expect(served()).toEqual(['.gitattributes'])
    again()
    await push({ folder: adapter, revision: 'runs/two' })
    expect(hub.writes()).toEqual([])
    await push({ folder: adapter, repo: 'ali/new', revision: 'x' })
    expect(served('ali/new', 'x')).toHaveLength(4)
  })

  test('a pull request takes all its commits', async () => {
    hub.addRepo('ali/tuned')
    const result = await push({ folder: model, createPullRequest: true, maxCommitBytes: 600_000 })
    expect(result).toMatchObject({ revision: 'refs/pr/1', url: `${hub.endpoint}/ali/tuned/discussions/1` })
    expect(served()).toEqual(['.gitattributes'])
    expect(served('ali/tuned', 'refs/pr/1')).toHaveLength(7)
    expect(hub.repos['ali/tuned']!.pullRequests).toBe(1)
    expect((await refused({ folder: model, repo: 'ali/none', createPullRequest: true })).code).toBe('NotFound')
  })

  test('single files, with spaces and letters of any script', async () => {
    await write(root, { 'größe 模型 q4.gguf': noise(1000, 4) })
    await push({ files: [join(root, 'größe 模型 q4.gguf')] })
    expect(served()).toEqual(['.gitattributes', 'größe 模型 q4.gguf'])
    again()
    await push({ files: [join(root, 'größe 模型 q4.gguf')] })
    expect(hub.writes()).toEqual([])
  })

  test('a card where neither side has a README', async () => {
    const own = join(adapter, 'README.md')
    await rm(own)
    await push({ folder: adapter, card: '# made\n' })
    const readme = () => hub.repos['ali/tuned']!.branches.main!['README.md']!.toString()
    expect(readme()).toBe('# made\n')
    expect((await push({ folder: adapter, card: '# newer\n' })).notes).toEqual([
      expect.stringContaining('README.md of the repository is kept'),
    ])
    expect(readme()).toBe('# made\n')
    await writeFile(own, '# my own words\n')
    expect((await push({ folder: adapter, card: '# newer\n' })).notes).toEqual([])
    expect(readme()).toBe('# my own words\n')
  })
})

describe('a push that was cut', () => {
  test('goes on with the files that are not there yet', async () => {
    hub.intercept = ({ method }, res) => method === 'PUT' && hub.uploads().length > 2 && (fail(res, 500), true)
    await refused({ folder: model, maxCommitBytes: 300_000 })
    expect(served()).toEqual(['.gitattributes', shard(1), shard(2)])
    hub.intercept = undefined
    again()
    const result = await push({ folder: model, maxCommitBytes: 300_000 })
    expect(result.files.filter(({ there }) => there).map(({ name }) => name)).toEqual([shard(1), shard(2)])
    expect(hub.uploads()).toHaveLength(1)
    expect(served()).toHaveLength(7)
  })

  test('does not send what the storage has, though nothing was committed', async () => {
    hub.intercept = ({ path }, res) => isCommit(path) && (fail(res, 403), true)
    await refused({ folder: model })
    expect(hub.uploads()).toHaveLength(3)
    hub.intercept = undefined
    again()
    await push({ folder: model })
    expect(hub.uploads()).toHaveLength(0)
    expect(served()).toHaveLength(7)
  })

  test('a connection cut inside a file is made again at once, and progress ends at the total', async () => {
    let cuts = 1
    hub.cut = (_, received) => received > 100_000 && cuts-- > 0
    let last: PushEvent | undefined
    await push({ folder: adapter, onProgress: (event) => event.type === 'sent' && (last = event) })
    expect(hub.uploads()).toHaveLength(2)
    expect(last).toMatchObject({ sentBytes: 200_028, totalBytes: 200_028 })
  })

  test('an address that has run out is asked for again', async () => {
    let expired = 1
    hub.intercept = ({ method }, res) => method === 'PUT' && expired-- > 0 && (fail(res, 403), true)
    await push({ folder: adapter })
    expect(served()).toHaveLength(4)
  })

  test.each(['cut', '504'])('a commit whose answer is lost (%s) is not made twice', async (how) => {
    let lost = 1
    hub.intercept = (request, res) => {
      if (!isCommit(request.path) || lost-- <= 0) return false
      // Taken, but not told.
      void fetch(`${hub.endpoint}${request.path}`, {
        method: 'POST',
        body: new Uint8Array(request.body),
        headers: { authorization: `Bearer ${hub.token}` },
      }).then(() => (how === 'cut' ? res.destroy() : fail(res, 504)))
      return true
    }
    await push({ folder: adapter })
    expect(hub.repos['ali/tuned']!.titles).toHaveLength(1)
    expect(served()).toHaveLength(4)
  })

  test('a commit that failed is made again; a pull request is not', async () => {
    hub.addRepo('ali/tuned')
    let failures = 1
    hub.intercept = ({ path }, res) => isCommit(path) && failures-- > 0 && (fail(res, 500), true)
    await push({ folder: adapter })
    expect(served()).toHaveLength(4)
    failures = 1
    await writeFile(join(adapter, 'README.md'), '# other\n')
    const { message } = await refused({ folder: adapter, createPullRequest: true })
    expect(message).toContain(`${hub.endpoint}/ali/tuned/discussions tells whether the pull request was opened`)
    expect(hub.repos['ali/tuned']!.pullRequests).toBe(0)
  })

  test('aborted in the middle of a file: ends with the reason, and leaves the earlier commits', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    hub.cut = (_, received) => {
      if (hub.uploads().length === 2 && received > 100_000) stop.abort(reason)
      return false
    }
    await expect(push({ folder: model, maxCommitBytes: 300_000, signal: stop.signal })).rejects.toBe(reason)
    const after = hub.requests.length
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(hub.requests).toHaveLength(after)
    expect(served()).toEqual(['.gitattributes', shard(1)])
    hub.cut = undefined
    await push({ folder: model, maxCommitBytes: 300_000 })
    expect(served()).toHaveLength(7)
  })

  test('a file that changes meanwhile is told', async () => {
    hub.intercept = ({ method }) => {
      if (method === 'PUT') void utimes(join(adapter, 'adapter_model.safetensors'), 1, 1)
      return false
    }
    expect((await refused({ folder: adapter })).message).toContain('changed while it was pushed: push again')
  })
})

describe('a dry run', () => {
  test('tells what would go, and writes nothing', async () => {
    expect(await push({ folder: adapter, dryRun: true })).toMatchObject({
      created: true,
      visibility: 'private',
      dryRun: true,
    })
    expect(hub.writes()).toEqual([])
    expect(hub.repos).toEqual({})
    await push({ folder: adapter })
    await writeFile(join(adapter, 'README.md'), '# other\n')
    again()
    const { created, files } = await push({ folder: adapter, dryRun: true })
    expect(created).toBe(false)
    expect(files.map(({ name, there }) => [name, there])).toEqual([
      ['adapter_config.json', true],
      ['adapter_model.safetensors', true],
      ['README.md', false],
    ])
    expect(hub.writes()).toEqual([])
  })

  test('says why it could not look: offline, no network, no token', async () => {
    const look = async (options: Partial<PushOptions>) => push({ ...options, folder: adapter, dryRun: true })
    expect(await look({ offline: true })).toMatchObject({
      notLooked: 'offline (HF_HUB_OFFLINE)',
      visibility: undefined,
    })
    expect((await look({ endpoint: 'http://127.0.0.1:9' })).notLooked).toContain('cannot reach')
    expect((await look({ env: { HF_HOME: root } })).notLooked).toContain('not to be seen without a token')
  })
})
