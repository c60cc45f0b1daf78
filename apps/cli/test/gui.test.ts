// jora gui as a process: the address it prints opens a session, Ctrl-C ends it and leaves runs alone.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { isBuilt } from './harness'

const dir = mkdtempSync(join(tmpdir(), 'jora-cli-gui-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const launcher = join(import.meta.dirname, '../bin/jora.mjs')

/** Starts the page, and waits for its address. */
async function start(...args: string[]) {
  const env = { ...process.env, XDG_STATE_HOME: join(dir, 'state'), JORA_GUI_PASSWORD: '' }
  const child = spawn(process.execPath, [launcher, 'gui', '--no-open', ...args], { cwd: dir, env })
  let [out, err] = ['', '']
  const ended = new Promise<{ code: number | null; out: string; err: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, out, err })),
  )
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (text: Buffer) => {
      out += text.toString()
      if (out.includes('\n')) resolve()
    })
    child.stderr.on('data', (text: Buffer) => (err += text.toString()))
    child.on('close', () => reject(new Error(err)))
  })
  return { child, ended, out: () => out }
}

describe.skipIf(!isBuilt)('jora gui (needs a build)', () => {
  test('prints an address that opens a session once, and ends on Ctrl-C', async () => {
    const { child, ended, out } = await start()
    const [, url = ''] = /^JORA is at (http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]+)\n$/.exec(out()) ?? []
    const first = await fetch(url, { redirect: 'manual' })
    expect(first.status).toBe(303)
    expect((await fetch(url, { redirect: 'manual' })).status).toBe(403)
    const cookie = (first.headers.get('set-cookie') ?? '').split(';')[0]!
    const session = await fetch(new URL('/api/session', url), { headers: { cookie } })
    expect(await session.json()).toMatchObject({
      roots: [{ path: expect.stringContaining('jora-cli-gui-') }, { name: 'Uploads' }],
      bundled: { model: expect.stringMatching(/tiny-llama$/), datasets: [{ name: 'Questions and answers' }] },
    })
    const began = performance.now()
    child.kill('SIGINT')
    const { code, err } = await ended
    expect(performance.now() - began).toBeLessThan(2000)
    expect([code, err.includes('The page is closed')]).toEqual([0, true])
    expect(err).not.toContain(url.split('=')[1])
  })

  test('--json prints one line', async () => {
    const { child, ended } = await start('--json', '--root', dir)
    child.kill('SIGINT')
    const { code, out } = await ended
    expect(code).toBe(0)
    expect(JSON.parse(out)).toEqual({
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/\?token=/),
      address: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      port: expect.any(Number),
    })
  })

  test('lets others in with a password, and says what that means', async () => {
    writeFileSync(join(dir, 'secret.txt'), 'open sesame\n')
    const { child, ended } = await start('--json', '--host', '0.0.0.0', '--password-file', 'secret.txt')
    child.kill('SIGINT')
    const { err } = await ended
    expect(err).toContain('warning: anyone who reaches 0.0.0.0:')
    expect(err).not.toContain('sesame')
  })
})
