// Folders are made, or refused at once.
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFolder } from './index'

let root: string
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'jora-files-'))
})
afterAll(() => rm(root, { recursive: true }))

test('missing parents are made, an existing folder is fine', async () => {
  const path = join(root, 'a/b/c')
  await makeFolder(path)
  await makeFolder(path)
  expect((await stat(path)).isDirectory()).toBe(true)
})

test('a file in the way is refused', async () => {
  await writeFile(join(root, 'file'), '')
  await expect(makeFolder(join(root, 'file'))).rejects.toThrow('EEXIST')
  await expect(makeFolder(join(root, 'file/below'))).rejects.toThrow('ENOTDIR')
})

test.runIf(process.platform === 'linux')(
  'a place that takes no folders is refused, not waited for (needs Linux)',
  async () => {
    await expect(makeFolder('/proc/jora')).rejects.toThrow('ENOENT')
    await expect(makeFolder('/proc/jora/deeper')).rejects.toThrow('ENOENT')
  },
)
