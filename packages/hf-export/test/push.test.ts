// pushToHub against a small Hub on localhost: what is sent, what is not sent twice, what is never sent, and every refusal.
import { mkdtempSync } from 'node:fs'
import { mkdir, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { HubError } from '@jora/llama'
import { pushToHub, type PushEvent, type PushOptions } from '../src/index'
import { fail, WritableHub } from './hub-server'

const noise = (bytes: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: bytes }, (_, i) => ((i + seed) * 7919) >> 3))
const shard = (n: number) => `model-0000${n}-of-00003.safetensors`
const isCommit = (path: string) => path.includes('/commit/')

let hub: WritableHub
let root: string
let adapter: string
let model: string
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'jora-push-'))
  hub = new WritableHub()
  await hub.start()
  adapter = join(root, 'adapter')
  await write(adapter, {
    'adapter_config.json': '{"peft_type": "LORA"}',
    'adapter_model.safetensors': noise(200_000, 1),
    'README.md': '# mine\n',
  })
  model = join(root, 'model')
  const index = { weight_map: { a: shard(1), b: shard(2), c: shard(3) } }
  await write(model, {
    'config.json': '{}',
    'tokenizer.json': '{}',
    'model.safetensors.index.json': JSON.stringify(index),
    [shard(1)]: noise(300_000, 1),
    [shard(2)]: noise(300_000, 2),
    [shard(3)]: noise(300_000, 3),
  })
})
afterEach(async () => {
  await hub.stop()
  await rm(root, { recursive: true, force: true })
})

async function write(folder: string, files: Record<string, string | Buffer>): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
}

const push = (options: Partial<PushOptions> & ({ folder: string } | { files: string[] })) =>
  pushToHub({
    repo: 'ali/tuned',
    endpoint: hub.endpoint,
    env: { HF_TOKEN: hub.token, HF_HOME: join(root, 'home') },
    backoffMs: 1,
    ...options,
  })
const refused = (options: Partial<PushOptions> & ({ folder: string } | { files: string[] })) =>
  push(options).then(
    () => expect.unreachable('it was pushed'),
    (error: HubError) => error,
  )
const served = (id = 'ali/tuned', branch = 'main') => Object.keys(hub.repos[id]!.branches[branch]!).sort()
const again = () => (hub.requests = [])

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

describe('refusals', () => {
  test.each(['../x', 'a/b/c', 'x', 'a b/c', 'a/..', '/a', 'a/', '', 'a/b--c', 'https://h/a', 'a/-b'])(
    'the id %j',
    async (repo) => {
      expect(await refused({ folder: adapter, repo })).toMatchObject({ code: 'InvalidName' })
      expect(hub.requests).toEqual([])
    },
  )

  test.each(['../x', 'a b', 'a'.padEnd(40, 'a'), '-x/..', 'x.lock'])('the revision %j', async (revision) => {
    expect(await refused({ folder: adapter, revision })).toMatchObject({ code: 'InvalidName' })
  })

  test('no token, a wrong one, one that may only read: from where, and never the token itself', async () => {
    const { message: none } = await refused({ folder: adapter, env: { HF_HOME: root } })
    expect(none).toContain('set HF_TOKEN, or log in')
    await writeFile(join(root, 'token'), 'hf_wrongwrongwrong\n')
    const wrong = await refused({ folder: adapter, env: { HF_HOME: root } })
    expect(wrong).toMatchObject({ code: 'Unauthorized' })
    expect(wrong.message).toContain(`the token from ${join(root, 'token')} was refused (401)`)
    expect(wrong.message).not.toContain('hf_wrong')
    hub.account.role = 'read'
    const { message: reads } = await refused({ folder: adapter })
    expect(reads).toContain('the token from HF_TOKEN of ali may only read')
    expect(hub.writes()).toEqual([])
  })

  test('any token the Hub takes will do', async () => {
    hub.token = 'of-another-hub'
    await push({ folder: adapter, token: 'of-another-hub' })
    expect(served()).toHaveLength(4)
  })

  test("403: another's namespace, a right that is lacking", async () => {
    const foreign = await refused({ folder: adapter, repo: 'baba/tuned' })
    expect(foreign).toMatchObject({ code: 'Unauthorized' })
    expect(foreign.message).toMatch(/\(403: You don't have the rights.*baba is neither this account nor one of its/)
    hub.addRepo('cave/tuned')
    hub.intercept = ({ path }, res) => path.includes('preupload') && (fail(res, 403), true)
    const { message } = await refused({ folder: adapter, repo: 'cave/tuned' })
    expect(message).toContain(
      "the token from HF_TOKEN of ali may not write here (403): it needs the right to write to cave's models",
    )
  })

  test('404, 409, 413', async () => {
    hub.addRepo('ali/tuned')
    expect(await refused({ folder: adapter, revision: 'refs/pr/7' })).toMatchObject({ code: 'NotFound' })
    for (const [status, code] of [
      [404, 'NotFound'],
      [409, 'Conflict'],
      [412, 'Conflict'],
      [413, 'Refused'],
    ] as const) {
      again()
      hub.intercept = ({ path }, res) => isCommit(path) && (fail(res, status, '', 'because'), true)
      const error = await refused({ folder: adapter })
      expect(error).toMatchObject({ code, message: expect.stringContaining('because') })
      expect(hub.requests.filter(({ path }) => isCommit(path))).toHaveLength(1)
    }
  })

  test.each([true, false])('a repository made by someone else in the meantime, private: %s', async (isPrivate) => {
    hub.intercept = ({ path }, res) => {
      if (path !== '/api/repos/create') return false
      hub.addRepo('ali/tuned', {}, isPrivate)
      fail(res, 409)
      return true
    }
    if (isPrivate) return void (await push({ folder: adapter }))
    expect(await refused({ folder: adapter })).toMatchObject({ code: 'Conflict' })
    expect(hub.uploads()).toEqual([])
  })

  test('429 with Retry-After is waited out, at the commit too; 500 is tried again', async () => {
    const once = new Set<string>()
    hub.intercept = ({ path }, res) => {
      const kind = path.replace(/\?.*/, '')
      if (once.has(kind)) return false
      once.add(kind)
      if (isCommit(path)) fail(res, 429, '', '', { 'Retry-After': '1' })
      else fail(res, 500)
      return true
    }
    const start = performance.now()
    await push({ folder: adapter })
    expect(performance.now() - start).toBeGreaterThan(900)
    expect(hub.repos['ali/tuned']!.titles).toHaveLength(1)
    hub.intercept = (_, res) => (fail(res, 429, '', '', { 'Retry-After': '3600' }), true)
    expect((await refused({ folder: adapter })).message).toContain('try again in 3600 s')
  })

  test('offline at once; no network in words', async () => {
    const env = { HF_TOKEN: hub.token, HF_HUB_OFFLINE: '1' }
    expect(await refused({ folder: adapter, env })).toMatchObject({ code: 'Offline' })
    expect(hub.requests).toEqual([])
    const { code, message } = await refused({ folder: adapter, endpoint: 'http://127.0.0.1:9' })
    expect(code).toBe('Unreachable')
    expect(message).toMatch(/cannot reach http:\/\/127.0.0.1:9 .*what was sent stays/)
  })
})

describe('what is pushed', () => {
  test('the files of an adapter, model or GGUF; what else there is is named', async () => {
    await write(adapter, {
      '.env': 'SECRET=1',
      'run.json': '{}',
      'metrics.jsonl': '{}',
      'notes.txt': 'x',
      'optimizer_m.safetensors': 'x',
      'pytorch_model.bin': 'x',
      'model.safetensors.tmp': 'x',
      LICENSE: 'free',
    })
    await mkdir(join(adapter, 'checkpoints'))
    const { files, leftOut } = await push({ folder: adapter, dryRun: true })
    expect(files.map(({ name }) => name)).toEqual([
      'LICENSE',
      'README.md',
      'adapter_config.json',
      'adapter_model.safetensors',
    ])
    expect(Object.fromEntries(leftOut.map(({ name, reason }) => [name, reason]))).toEqual({
      '.env': 'hidden',
      'checkpoints/': 'a folder',
      'metrics.jsonl': 'record of the run',
      'model.safetensors.tmp': 'no file of an adapter, model or GGUF',
      'notes.txt': 'no file of an adapter, model or GGUF',
      'optimizer_m.safetensors': 'state of the trainer',
      'pytorch_model.bin': 'pickle files can run code when opened',
      'run.json': 'record of the run',
    })
  })

  test('of weights those the index names, and only if all are there', async () => {
    await write(model, { 'model-00004-of-00004.safetensors': 'old' })
    const { leftOut } = await push({ folder: model, dryRun: true })
    expect(leftOut).toEqual([
      { name: 'model-00004-of-00004.safetensors', reason: 'not among the weights of this model' },
    ])
    await rm(join(model, shard(2)))
    expect((await refused({ folder: model })).message).toContain(`names ${shard(2)}, which is not in`)
  })

  test.each([
    ['none', 'none does not exist'],
    ['empty', 'empty holds no adapter, model or GGUF file'],
    ['half', 'half has adapter_config.json but no adapter_model.safetensors'],
    ['run', 'run holds no adapter, model or GGUF file; its run is not done: push run/checkpoints/step-00000002'],
  ])('a folder called %s is refused', async (name, message) => {
    await mkdir(join(root, 'empty'))
    await write(join(root, 'half'), { 'adapter_config.json': '{}' })
    for (const step of [1, 2]) await mkdir(join(root, 'run/checkpoints', `step-0000000${step}`), { recursive: true })
    const error = await refused({ folder: join(root, name) })
    expect(error.message.replaceAll(`${root}/`, '')).toContain(message)
  })

  test('a link that leads out is refused, one within is followed', async () => {
    await symlink('adapter_model.safetensors', join(adapter, 'same.gguf'))
    await push({ folder: adapter })
    expect(served()).toContain('same.gguf')
    await write(root, { 'outside.json': '{}' })
    await symlink('../outside.json', join(adapter, 'tokenizer.json'))
    expect((await refused({ folder: adapter })).message).toContain(
      'tokenizer.json is a link that leads out of the folder',
    )
  })

  test.each(['run.json', '.env', 'optimizer.safetensors', 'x.bin'])(
    'the file %s is refused alone too',
    async (name) => {
      await write(root, { [name]: 'x' })
      expect(await refused({ files: [join(root, name)] })).toMatchObject({ code: 'LocalFolder' })
    },
  )

  test('a token in a text file is refused by file and line, unprinted', async () => {
    const secret = `hf_${'aBcD'.repeat(8)}`
    await writeFile(join(adapter, 'README.md'), `# mine\n\nexport HF_TOKEN=${secret}\n`)
    const error = await refused({ folder: adapter })
    expect(error).toMatchObject({ code: 'Secret', message: expect.stringContaining('README.md, line 3') })
    expect(error.message).not.toContain(secret)
    await writeFile(join(adapter, 'README.md'), `our hf_hub_download_and_everything_else, ${hub.token}`)
    expect(await refused({ folder: adapter })).toMatchObject({ code: 'Secret' })
    await writeFile(join(adapter, 'README.md'), 'our hf_hub_download_and_everything_else')
    await push({ folder: adapter })
  })

  test('paths of this machine are noted', async () => {
    await writeFile(join(adapter, 'adapter_config.json'), '{"base_model_name_or_path": "/models/base"}')
    expect((await push({ folder: adapter, dryRun: true })).notes).toEqual([
      'adapter_config.json names the base model by a path of this machine: /models/base',
    ])
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
