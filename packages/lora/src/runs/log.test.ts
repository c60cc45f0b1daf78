// Files of events: whole lines only, told once, and noticed when they are other ones.
import { appendFile, mkdtemp, readFile, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { LogReader, LogWriter, readLog } from '../index'

let dir: string
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jora-log-'))
})
afterAll(() => rm(dir, { recursive: true }))

test('lines are told once they are whole, and anew when the file is another', async () => {
  const path = join(dir, 'grows')
  const reader = new LogReader(path)
  expect(await reader.read()).toBeUndefined()
  const writer = await LogWriter.open<object>(path)
  expect(await reader.read()).toEqual({ lines: [], isAnew: true })
  await writer.append({ n: 1 })
  await writer.append({ n: 2 })
  await writer.close()
  expect(await reader.read()).toEqual({ lines: ['{"n":1}', '{"n":2}'], isAnew: false })
  expect(await reader.read()).toBeUndefined()
  await appendFile(path, '{"n":"ü')
  expect(await reader.read()).toBeUndefined()
  await appendFile(path, 'ber"}\nnot JSON\n{"n":\n{"n":4}\n')
  expect(await reader.read()).toEqual({ lines: ['{"n":"über"}', '{"n":4}'], isAnew: false })
  await writeFile(`${path}.new`, '{"n":1}\n')
  await rename(`${path}.new`, path)
  expect(await reader.read()).toEqual({ lines: ['{"n":1}'], isAnew: true })
  await truncate(path, 0)
  expect(await reader.read()).toEqual({ lines: [], isAnew: true })
  await rm(path)
  expect(await reader.read()).toEqual({ lines: [], isAnew: true })
  expect(await readLog(path)).toEqual([])
})

test('a line that a kill cut short does not spoil the next', async () => {
  const path = join(dir, 'cut')
  await writeFile(path, '{"n":1}\n{"n":')
  const writer = await LogWriter.open<object>(path)
  await writer.append({ n: 2 })
  await writer.close()
  expect(await readLog(path)).toEqual(['{"n":1}', '{"n":2}'])
})

test.skipIf(process.platform === 'win32')('a link is not written through (needs a system with links)', async () => {
  await writeFile(join(dir, 'target'), '')
  await symlink(join(dir, 'target'), join(dir, 'link'))
  await expect(LogWriter.open(join(dir, 'link'))).rejects.toThrow(/ELOOP/)
  expect(await readFile(join(dir, 'target'), 'utf8')).toBe('')
})
