// Floods and words that mean more: what the page refuses though it is asked by its owner.
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { until } from './harness'
import { space, server, limit, send, codeOf, post, setUp } from './security-harness'

setUp()

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

  test('a name or a text with half an emoji, or with NUL, is refused by name; what lacks is told plainly', async () => {
    const settings = { model: space.model, dataset: space.rows }
    const message = async (path: string, body: unknown) =>
      (JSON.parse((await post(path, body)).text) as { error: { message: string } }).error.message
    expect(await message('/api/runs', { kind: 'train', name: 'a \ud83d', settings })).toBe(
      'name: holds half a surrogate pair (U+D83D), as of an emoji that was cut in two; expected text',
    )
    expect(await message('/api/chat', { model: space.model, text: 'a\0b' })).toMatch(/^text: holds the character NUL/)
    const history = [{ role: 'user', content: '\ude00' }]
    expect(await message('/api/chat', { model: space.model, text: 'a', history })).toMatch(
      /^history\[0\]\.content: holds half/,
    )
    expect(await message('/api/datasets/inspect', {})).toBe('dataset: is missing')
  })

  test('of 500 streams 64 are open, the rest is told to wait, and all else is answered', async () => {
    const { id } = await server.client.createRun({ kind: 'train', settings: space.settings(2, 50) })
    const listen = (path: string, { signal }: AbortController) =>
      fetch(`${server.gui.address}${path}`, { headers: { cookie: server.cookie }, signal })
    for (const path of ['/api/events', `/api/runs/${id}/events`]) {
      const leave = new AbortController()
      try {
        // Held until all have come: fetch closes the stream of an answer that was collected as garbage.
        const answers = await Promise.all(Array.from({ length: 500 }, () => listen(path, leave)))
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(64)
        expect(answers.filter(({ status }) => status === 503)).toHaveLength(436)
        expect((await send('/api/session')).status).toBe(200)
      } finally {
        leave.abort()
      }
      await until('there is room again', async () => {
        const one = new AbortController()
        const { status } = await listen(path, one)
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

    const asked = { dataset: space.rows, columns: 'question=--x,answer=y', limit: 3 }
    const scored = (await printed((await server.client.evalRun(run.id, asked)).id)).result as {
      args: string[]
      file: string
    }
    expect(scored.args[0]).toBe(`--model=${space.model}`)
    expect(scored.args).toEqual(
      expect.arrayContaining([
        `--adapter=${run.folder}`,
        `--dataset=${space.rows}`,
        '--columns=question=--x,answer=y',
        '--limit=3',
      ]),
    )
    expect(scored.file).toMatch(/^evaluations\/[\d-]+\.jsonl$/)
    await expect(server.client.evalRun(run.id, { dataset: '/etc/passwd' })).rejects.toThrow(
      'is not in a folder that this page may use',
    )

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
