// Folders are made, or refused at once; what finds no room says so.
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { makeFolder, writeFolderAtomic } from '../index'

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

test('a write that finds no room names what was to be written; other errors stay as they are', async () => {
  const path = join(root, 'none/out')
  const failing = (code: string) => {
    const error = Object.assign(new Error(`${code}: write`), { code })
    return { error, done: writeFolderAtomic(path, () => Promise.reject(error)) }
  }
  await expect(failing('ENOSPC').done).rejects.toMatchObject({
    message: `${path} cannot be written: the disk is full (ENOSPC)`,
    code: 'ENOSPC',
  })
  const { error, done } = failing('EIO')
  await expect(done).rejects.toBe(error)
  expect(await readdir(join(root, 'none'))).toEqual([])
})
