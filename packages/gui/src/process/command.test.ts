// A command that is asked to end has time to end in order, and no more than that.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Commands } from './command'

const dir = mkdtempSync(join(tmpdir(), 'jora-command-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** Takes 400 ms to save a file once it is asked to end. */
const slow = `
  process.on('SIGINT', () => setTimeout(() => { require('fs').writeFileSync('saved', ''); process.exit(130) }, 400))
  setInterval(() => {}, 1000)
  console.error('ready')
`

test.each([
  [60_000, true],
  [50, false],
])('with %i ms it has saved: %s', async (graceMs, saved) => {
  rmSync(join(dir, 'saved'), { force: true })
  const commands = new Commands([process.execPath, '-e', slow])
  const stop = new AbortController()
  const onLine = (line: string) => line === 'ready' && stop.abort(new Error('cancelled'))
  await expect(commands.run([], { cwd: dir, signal: stop.signal, graceMs, onLine })).rejects.toThrow('cancelled')
  expect(existsSync(join(dir, 'saved'))).toBe(saved)
})
