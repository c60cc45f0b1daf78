// Attacks, each refused: foreign hosts and origins, old tokens, paths out of the roots, floods, and words that mean more.
import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { request, type IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGui } from '../src/index'
import { signIn, Space, until, type TestServer } from './harness'

const space = new Space()
let server: TestServer
const limit = 2_000_000
beforeAll(async () => {
  const staticDir = join(space.dir, 'web')
  mkdirSync(join(staticDir, 'assets'), { recursive: true })
  writeFileSync(join(staticDir, 'index.html'), '<!doctype html><title>the page</title>')
  writeFileSync(join(staticDir, 'assets', 'page-1a2b.js'), 'export {}')
  writeFileSync(join(space.dir, 'secret.jsonl'), '{"instruction":"secret","output":"secret"}\n')
  server = await space.start({ staticDir, uploadLimitBytes: limit })
})
afterAll(() => space.remove())

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** A request with any headers, also those that fetch sets itself. */
function send(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        agent: false,
        host: '127.0.0.1',
        port: server.gui.port,
        path,
        method,
        headers: { cookie: server.cookie, ...headers },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
const codeOf = ({ text }: Answer): string => (JSON.parse(text) as { error: { code: string } }).error.code
const json = { 'content-type': 'application/json' }
const post = (path: string, value: unknown, headers: Record<string, string> = {}) =>
  send(path, {
    method: 'POST',
    headers: { ...json, ...headers },
    body: typeof value === 'string' ? value : JSON.stringify(value),
  })

describe('who may ask', () => {
  test.each(['evil.example', 'evil.example:80', '127.0.0.1.evil.example', 'localhost.evil.example'])(
    'not under the host %j: its name was made to mean this machine',
    async (host) => {
      const answer = await send('/api/session', { headers: { host } })
      expect([answer.status, codeOf(answer)]).toEqual([403, 'forbidden'])
    },
  )

  test('under its own names, whatever the port that leads to it', async () => {
    for (const host of ['127.0.0.1:1', 'localhost', `localhost:${server.gui.port}`, '[::1]:80'])
      expect((await send('/api/session', { headers: { host } })).status).toBe(200)
  })

  test.each<[string, Record<string, string>]>([
    ['another site', { origin: 'https://evil.example' }],
    ['another port', { origin: 'http://127.0.0.1:1' }],
    ['a sandboxed page', { origin: 'null' }],
    ['another site, told by the browser', { 'sec-fetch-site': 'cross-site' }],
    ['another port, told by the browser', { 'sec-fetch-site': 'same-site' }],
  ])('no page of %s, neither to change nor to listen', async (_who, headers) => {
    const before = (await server.client.runs()).length
    const asked = await post('/api/runs', { kind: 'train', settings: space.settings(1, 1) }, headers)
    expect([asked.status, codeOf(asked)]).toEqual([403, 'forbidden'])
    for (const path of ['/api/events', '/api/runs', '/api/session'])
      expect((await send(path, { headers })).status).toBe(403)
    expect((await server.client.runs()).length).toBe(before)
  })

  test('a page of its own', async () => {
    const origin = `http://127.0.0.1:${server.gui.port}`
    const answer = await post(
      '/api/mesh',
      { model: space.model, mesh: 'model=2' },
      { origin, host: origin.slice(7), 'sec-fetch-site': 'same-origin' },
    )
    expect(answer.status).toBe(200)
    expect(answer.headers['access-control-allow-origin']).toBeUndefined()
  })

  test('no form: it cannot send JSON', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data'])
      expect((await post('/api/runs', '{"kind":"quickstart"}', { 'content-type': type })).status).toBe(415)
    expect(
      (
        await send('/api/datasets?name=x.jsonl', {
          method: 'POST',
          headers: { 'content-type': 'text/plain' },
          body: 'x',
        })
      ).status,
    ).toBe(415)
  })

  test('nobody without a session, with one that was made up, or of another key', async () => {
    const name = server.cookie.split('=')[0]
    const [, value = ''] = server.cookie.split('=')
    const [expires, nonce, signature = ''] = value.split('.')
    const made = [
      '',
      `${name}=`,
      `${name}=x.y.z`,
      `${name}=zzzzzzzz.${nonce}.${signature}`,
      `${name}=${expires}.${nonce}.${signature.slice(0, -1)}`,
      `other=${value}`,
    ]
    for (const cookie of made)
      for (const path of ['/api/session', '/api/events', '/api/files', '/', '/assets/page-1a2b.js']) {
        const answer = await send(path, { headers: { cookie } })
        expect([cookie, path, answer.status]).toEqual([cookie, path, 401])
        if (path.startsWith('/api')) expect(codeOf(answer)).toBe('unauthenticated')
      }
  })

  test('a token works once, of this start only; sessions outlast it', async () => {
    const other = await startGui({ roots: [space.root], stateDir: join(space.dir, 'other'), command: ['true'] })
    const url = new URL(other.launchUrl)
    const first = await fetch(url, { redirect: 'manual' })
    expect([first.status, first.headers.get('location')]).toEqual([303, '/'])
    const cookie = first.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict; Path=\/; Max-Age=\d+$/)
    const again = await fetch(url, { redirect: 'manual' })
    expect([again.status, again.headers.get('set-cookie')]).toEqual([403, null])
    // Who has the session may come by the old address.
    const own = await fetch(url, { redirect: 'manual', headers: { cookie: cookie.split(';')[0]! } })
    expect([own.status, own.headers.get('set-cookie')]).toEqual([303, null])
    await other.close()

    const later = await startGui({ roots: [space.root], stateDir: join(space.dir, 'other'), command: ['true'] })
    const old = new URL(url.search, later.address)
    expect((await fetch(old, { redirect: 'manual' })).status).toBe(403)
    const kept = await fetch(`${later.address}/api/session`, { headers: { cookie: cookie.split(';')[0]! } })
    expect(kept.status).toBe(200)
    // HEAD, as previews send it, spends nothing.
    expect((await fetch(later.launchUrl, { method: 'HEAD', redirect: 'manual' })).status).toBe(204)
    expect(await signIn(later.launchUrl)).toMatch(/^jora-/)
    await later.close()
    if (process.platform !== 'win32') expect(statSync(join(space.dir, 'other', 'session.key')).mode & 0o777).toBe(0o600)
  })
})

describe('a password', () => {
  test('is demanded of a server that others reach', async () => {
    const options = {
      host: '0.0.0.0',
      roots: [space.root],
      stateDir: join(space.dir, 'open'),
      command: ['true'] as const,
    }
    await expect(startGui(options)).rejects.toThrow('others can reach 0.0.0.0: give a password')
    const gui = await startGui({ ...options, password: 'open sesame' })
    const base = `http://127.0.0.1:${gui.port}`
    const login = (password: string) =>
      fetch(`${base}/login`, { method: 'POST', redirect: 'manual', body: new URLSearchParams({ password }) })
    expect((await fetch(base)).status).toBe(401)
    expect(await (await fetch(base)).text()).toContain('type="password"')
    const right = await login('open sesame')
    expect([right.status, right.headers.get('set-cookie')]).toEqual([303, expect.stringContaining('HttpOnly')])
    const wrong = []
    for (let i = 0; i < 7; i++) wrong.push((await login(`guess ${i}`)).status)
    expect(wrong).toEqual([401, 401, 401, 401, 401, 429, 429])
    // Neither does the right one help now.
    expect((await login('open sesame')).status).toBe(429)
    const foreign = await fetch(`${base}/login`, {
      method: 'POST',
      headers: { origin: 'https://evil.example' },
      body: new URLSearchParams({ password: 'open sesame' }),
    })
    expect(foreign.status).toBe(403)
    await gui.close()
  })
})

describe('paths', () => {
  test('lead nowhere out of the roots', async () => {
    const link = join(space.root, 'link')
    const fileLink = join(space.root, 'link.jsonl')
    symlinkSync(space.dir, link)
    symlinkSync(join(space.dir, 'secret.jsonl'), fileLink)
    const out = [
      space.dir,
      '/',
      '/etc',
      '/etc/passwd',
      `${space.root}/..`,
      `${space.root}/../secret.jsonl`,
      `${space.root}/model/../../secret.jsonl`,
      link,
      `${link}/secret.jsonl`,
      fileLink,
      `${space.root}-beside`,
      join(space.dir, 'state', 'session.key'),
      join(space.dir, 'no such file'),
    ]
    const odd = ['rows.jsonl', '../rows.jsonl', '~/rows.jsonl', `${space.rows}\0.txt`, 'file:///etc/passwd', '']
    for (const path of [...out, ...odd]) {
      const expected = out.includes(path) ? [403] : [400]
      const seen = await Promise.all([
        post('/api/datasets/inspect', { dataset: path }),
        post('/api/datasets/preview', { settings: { model: space.model, dataset: path } }),
        post('/api/runs', { kind: 'train', settings: { model: space.model, dataset: path } }),
        post('/api/runs', { kind: 'quickstart', folder: path }),
        post('/api/runs', { kind: 'train', settings: space.settings(1, 1, { initAdapter: path }) }),
        ...(path === '' ? [] : [send(`/api/files?path=${encodeURIComponent(path)}`)]),
        ...(path.startsWith('/')
          ? [post('/api/chat', { model: path, text: 'hello' }), send(`/api/model?model=${encodeURIComponent(path)}`)]
          : []),
      ])
      expect([path, [...new Set(seen.map(({ status }) => status))]]).toEqual([path, expected])
      for (const { text } of seen) expect(text).not.toContain('root:')
    }
    // Links that lead out are not even named.
    const { entries } = await server.client.files(space.root)
    expect(entries.map(({ name }) => name)).not.toContain('link')
    expect(await server.client.runs()).toEqual([])
  })

  test('of a run stay in its folder', async () => {
    const run = await server.client.createRun({ kind: 'train', settings: space.settings(3, 100) })
    await until('it is done', async () => (await server.client.run(run.id)).run.state === 'done')
    symlinkSync(join(space.dir, 'secret.jsonl'), join(run.folder, 'secret.txt'))
    const paths = [
      '../../rows.jsonl',
      '..%2f..%2frows.jsonl',
      '%2e%2e/%2e%2e/rows.jsonl',
      '/etc/passwd',
      '%2fetc%2fpasswd',
      'secret.txt',
      'a%00b',
      '.%2e/x',
      '..%5c..%5cx',
    ]
    for (const path of paths) {
      const [file, zip] = [
        await send(`/api/runs/${run.id}/files/${path}`),
        await send(`/api/runs/${run.id}/download?path=${path}`),
      ]
      expect([path, file.status, zip.status]).toEqual([path, 404, 404])
    }
    const found = await send(`/api/runs/${run.id}/files/adapter_model.safetensors`)
    expect([found.status, found.text]).toEqual([200, 'weights'])
    expect(found.headers).toMatchObject({
      'content-disposition': expect.stringMatching(/^attachment; filename="adapter_model.safetensors"/),
      'content-type': 'application/octet-stream',
      'x-content-type-options': 'nosniff',
    })
    const pushed = await post(`/api/runs/${run.id}/push`, { repoId: 'me/x', file: '../../rows.jsonl' })
    expect(pushed.status).toBe(404)
  })

  test('of the page stay in its folder', async () => {
    for (const path of [
      '/../secret.jsonl',
      '/..%2fsecret.jsonl',
      '/assets/..%2f..%2fsecret.jsonl',
      '/%00.js',
      '/..%5csecret.jsonl',
      '/%ff.js',
    ]) {
      const answer = await send(path)
      expect([path, answer.status]).toEqual([path, 404])
    }
    const page = await send('/runs/some-run')
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    const policy = String(page.headers['content-security-policy'])
    expect(policy).toContain("default-src 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe')
    expect(page.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
  })
})

describe('floods', () => {
  test('an upload of 1 GB is refused at once, or as soon as it is too long; nothing of it stays', async () => {
    const headers = { 'content-type': 'application/octet-stream' }
    const announced = await send('/api/datasets?name=big.jsonl', {
      method: 'POST',
      headers: { ...headers, 'content-length': '1000000000' },
    }).catch((error: NodeJS.ErrnoException) => ({ status: 413, headers: {}, text: String(error.code) }))
    expect(announced.status).toBe(413)
    let sent = 0
    const endless = new ReadableStream<Uint8Array>({
      async pull(controller) {
        sent += 65_536
        if (sent > 1e9) controller.close()
        else controller.enqueue(new Uint8Array(65_536).fill(97))
        await new Promise((resolve) => setTimeout(resolve, 1))
      },
    })
    const answer = await fetch(`${server.gui.address}/api/datasets?name=big.jsonl`, {
      method: 'POST',
      headers: { ...headers, cookie: server.cookie },
      body: endless,
      duplex: 'half',
    } as RequestInit).catch(() => undefined)
    expect(answer?.status ?? 413).toBe(413)
    expect(sent).toBeLessThan(50 * limit)
    expect(readdirSync(join(space.dir, 'state', 'uploads'))).toEqual([])
    // The server is well.
    expect((await send('/api/session')).status).toBe(200)
  })

  test('malformed and oversized JSON is told what is wrong with it', async () => {
    for (const text of [
      '',
      '{',
      '{"kind":',
      '[]',
      'null',
      '1',
      '"x"',
      '{"kind":"train"}',
      '{"kind":"other"}',
      '\u0000',
    ]) {
      const answer = await post('/api/runs', text)
      expect([text, answer.status, codeOf(answer)]).toEqual([text, 400, 'bad_request'])
    }
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
    expect((await post('/api/runs', deep)).status).toBe(400)
    expect((await post('/api/runs', `{"kind":"${'x'.repeat(2_000_000)}"}`)).status).toBe(413)
    const polluted = await post('/api/runs', '{"kind":"quickstart","__proto__":{"admin":true}}')
    expect([polluted.status, ({} as { admin?: boolean }).admin]).toEqual([expect.any(Number), undefined])
    const wrong = await post('/api/runs', {
      kind: 'train',
      settings: { model: space.model, dataset: space.rows, loraR: 0, lr: 1 },
    })
    expect(JSON.parse(wrong.text)).toEqual({
      error: {
        code: 'bad_request',
        message: 'settings.loraR: expected an integer ≥ 1 (and 1 more)',
        issues: [
          { path: 'settings.loraR', message: 'expected an integer ≥ 1' },
          { path: 'settings.lr', message: 'is not known' },
        ],
      },
    })
  })

  test('of 500 streams 64 are open, the rest is told to wait, and all else is answered', async () => {
    const { id } = (await server.client.runs())[0]!
    const listen = async (path: string, { signal }: AbortController) =>
      (await fetch(`${server.gui.address}${path}`, { headers: { cookie: server.cookie }, signal })).status
    for (const path of ['/api/events', `/api/runs/${id}/events`]) {
      const leave = new AbortController()
      const statuses = await Promise.all(Array.from({ length: 500 }, () => listen(path, leave)))
      expect(statuses.filter((status) => status === 200)).toHaveLength(64)
      expect(statuses.filter((status) => status === 503)).toHaveLength(436)
      const began = performance.now()
      expect((await send('/api/session')).status).toBe(200)
      expect(performance.now() - began).toBeLessThan(1000)
      leave.abort()
      await until('there is room again', async () => {
        const one = new AbortController()
        const status = await listen(path, one)
        one.abort()
        return status === 200
      })
    }
    // HEAD opens none.
    expect((await send('/api/events', { method: 'HEAD' })).status).toBe(405)
  })
})

describe('words', () => {
  const printed = async (id: string) => {
    await until('the job is done', async () => (await server.client.job(id)).state !== 'running')
    return server.client.job(id)
  }

  test('are no flags: every argument of a child is a command, or begins with its own flag', async () => {
    const run = await server.client.createRun({
      kind: 'train',
      name: '--help -rf /; $(touch x) `id`',
      settings: space.settings(3, 100),
    })
    expect(run.folder.split('/').at(-1)).toBe('help-rf-touch-x-id')
    await until('it is done', async () => (await server.client.run(run.id)).run.state === 'done')
    const push = await printed(
      (await server.client.push(run.id, { repoId: 'me/x', commitMessage: '--token=evil; $(id)', token: 'hf_secret' }))
        .id,
    )
    const { args, knowsToken, password } = push.result as { args: string[]; knowsToken: boolean; password: null }
    expect(args).toEqual([`--input=${run.folder}`, '--repo-id=me/x', '--commit-message=--token=evil; $(id)', '--json'])
    expect([knowsToken, password]).toEqual([true, null])
    expect(JSON.stringify([push, args])).not.toContain('hf_secret')
    const failed = await printed((await server.client.push(run.id, { repoId: 'me/fails', token: 'hf_secret' })).id)
    expect(failed).toMatchObject({ state: 'failed', message: 'the token … is not allowed to write' })

    for (const model of ['--config', '-m', '--model=x', 'a/b/c', '../x', 'org/--x', 'a b'])
      expect([
        model,
        (await post('/api/runs', { kind: 'train', settings: { model, dataset: space.rows } })).status,
      ]).toEqual([model, 400])
    for (const id of ['--token', '../../etc', '/etc', 'a/b/c', 'x y'])
      expect([id, (await post('/api/hub/download', { id })).status]).toEqual([id, 400])
    for (const repoId of ['--public', 'me/-x y', 'me', '../x'])
      expect([repoId, (await post(`/api/runs/${run.id}/push`, { repoId })).status]).toEqual([repoId, 400])
    for (const [key, value] of Object.entries({
      gpu: 'a\nmodel: "/etc"',
      mesh: 'data=1 --x',
      deviceMemory: '1; id',
      targetModules: ['q_proj,--x'],
    }))
      expect([
        key,
        (await post('/api/runs', { kind: 'train', settings: { ...space.settings(1, 1), [key]: value } })).status,
      ]).toEqual([key, 400])
  })

  test('of uploads are names of files in one folder', async () => {
    const names = [
      '../../evil.jsonl',
      '/etc/passwd',
      '..\\..\\evil.jsonl',
      '--config=x.jsonl',
      '-rf.jsonl',
      '.hidden',
      'a\0b.jsonl',
      '<img src=x onerror=alert(1)>.jsonl',
      '',
      'x'.repeat(300),
    ]
    for (const name of names.filter(Boolean)) {
      const saved = await server.client.upload(name, new Blob(['{"instruction":"a","output":"b"}\n']))
      expect(saved.name).toMatch(/^[\p{L}\p{N}_][\p{L}\p{N}._-]*\.(jsonl|txt)$/u)
      expect(saved.path).toBe(join(space.dir, 'state', 'uploads', saved.name))
    }
    expect(existsSync(join(space.dir, 'evil.jsonl'))).toBe(false)
    expect(
      (
        await send('/api/datasets?name=', {
          method: 'POST',
          headers: { 'content-type': 'application/octet-stream' },
          body: 'x',
        })
      ).status,
    ).toBe(400)
  })

  test('of datasets and models are data, whatever they look like', async () => {
    const script = '<script>alert(1)</script>'
    const folder = join(space.root, `<img src=x onerror=alert(1)>`)
    mkdirSync(folder)
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ model_type: script }))
    await until('it is found', async () => (await server.client.models()).some(({ name }) => name.includes('<img')))
    for (const path of ['/api/models', '/api/files']) {
      const answer = await send(path)
      expect(answer.headers).toMatchObject({
        'content-type': expect.stringContaining('application/json'),
        'x-content-type-options': 'nosniff',
      })
    }
    const found = (await server.client.models()).find(({ path }) => path === folder)
    expect(found).toMatchObject({ family: script, problem: expect.stringContaining('expected one of llama') })
    // What a page without script shows is escaped.
    const page = await send(`/?token=${encodeURIComponent(script)}`, { headers: { cookie: '' } })
    expect(page.text).not.toContain('<script')
  })
})
