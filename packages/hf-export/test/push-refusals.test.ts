// What a push refuses, and what of a folder is pushed.
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { fail } from './hub-server'
import { shard, isCommit, hub, root, adapter, model, write, push, refused, served, again, setUp } from './push-harness'

setUp()

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
