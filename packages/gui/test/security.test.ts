// Attacks, each refused: foreign hosts and origins, old tokens, paths out of the roots, floods, and words that mean more.
import { statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startGui } from '../src/index'
import { signIn, until } from './harness'
import { space, server, send, codeOf, post, setUp } from './security-harness'

setUp()

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
