// Files and folders are whole or absent; links are written through, devices and pipes written to; what fails says where.
import { execFile } from 'node:child_process'
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  explainNoRoom,
  isSameFile,
  isStream,
  makeFolder,
  removeTemporaries,
  replaceAtomic,
  writeFileAtomic,
  writeFolderAtomic,
  writeJsonAtomic,
  writeLinesAtomic,
  writeStreamAtomic,
} from './index'

const isWindows = process.platform === 'win32'
let root: string
let dir: string
let n = 0
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'jora-files-'))
})
beforeEach(async () => {
  dir = join(root, String(n++))
  await mkdir(dir)
})
afterAll(() => rm(root, { recursive: true }))

const at = (...parts: string[]) => join(dir, ...parts)
const text = (...parts: string[]) => readFile(at(...parts), 'utf8')
const failing = (code: string) => Object.assign(new Error(`${code}: write`), { code })

describe('a file', () => {
  test('is written, and replaced', async () => {
    await writeFileAtomic(at('a'), 'one')
    await writeFileAtomic(at('a'), Uint8Array.of(116, 119, 111))
    expect(await text('a')).toBe('two')
    await writeJsonAtomic(at('j'), { b: [1] })
    expect(await text('j')).toBe('{\n  "b": [\n    1\n  ]\n}\n')
    expect((await readdir(dir)).sort()).toEqual(['a', 'j'])
  })

  test('of lines, more than are joined at once', async () => {
    const line = `${'ä'.repeat(400)}\n`
    await writeLinesAtomic(at('a'), Array<string>(5000).fill(line))
    expect(await text('a')).toBe(line.repeat(5000))
    await writeLinesAtomic(at('none'), [])
    expect(await text('none')).toBe('')
  })

  test('stays as it was when filling fails, and nothing is left beside it', async () => {
    await writeFileAtomic(at('a'), 'old')
    const error = new Error('in the middle')
    const half = writeStreamAtomic(at('a'), async (sink) => {
      await sink.write(Buffer.from('ne'))
      expect(sink.length).toBe(2)
      expect(await readdir(dir)).toHaveLength(2)
      throw error
    })
    await expect(half).rejects.toBe(error)
    expect(await text('a')).toBe('old')
    expect(await readdir(dir)).toEqual(['a'])
  })

  test('gives what filling gives, and two writes of one name do not meet', async () => {
    const write = (value: string) =>
      writeStreamAtomic(at('a'), async (sink) => {
        for (const letter of value) await sink.write(Buffer.from(letter))
        return sink.length
      })
    expect(await Promise.all([write('first'), write('second!')])).toEqual([5, 7])
    expect(['first', 'second!']).toContain(await text('a'))
    expect(await readdir(dir)).toEqual(['a'])
  })

  test('is refused where there is a folder, or no folder', async () => {
    await mkdir(at('taken/inside'), { recursive: true })
    await expect(writeFileAtomic(at('taken'), 'x')).rejects.toThrow(`EISDIR: ${at('taken')} is a folder`)
    await expect(writeFileAtomic(`${at('new')}/`, 'x')).rejects.toThrow('EISDIR')
    await expect(writeFileAtomic(at('none', 'a'), 'x')).rejects.toMatchObject({
      message: `${at('none', 'a')} cannot be written: its folder does not exist (ENOENT)`,
      code: 'ENOENT',
    })
    expect(await readdir(dir)).toEqual(['taken'])
  })

  test('may have the longest name', async () => {
    const name = 'ü'.repeat(127) // 254 bytes
    await writeFileAtomic(at(name), 'x')
    expect(await readdir(dir)).toEqual([name])
  })

  test.skipIf(isWindows)('keeps its permissions (needs those of POSIX)', async () => {
    await writeFileAtomic(at('a'), 'secret')
    await chmod(at('a'), 0o600)
    await writeFileAtomic(at('a'), 'secret still')
    expect((await stat(at('a'))).mode & 0o777).toBe(0o600)
  })
})

describe.skipIf(isWindows)('a link (needs a system where anyone may make one)', () => {
  test('is written through: what it points at is replaced', async () => {
    await mkdir(at('deep'))
    await writeFile(at('deep/real'), 'old')
    await symlink('real', at('deep/near'))
    await symlink('deep/near', at('far'))
    await writeFileAtomic(at('far'), 'new')
    expect(await text('deep/real')).toBe('new')
    expect(await readlink(at('far'))).toBe('deep/near')
    expect((await lstat(at('deep/near'))).isSymbolicLink()).toBe(true)
    expect((await readdir(at('deep'))).sort()).toEqual(['near', 'real'])
  })

  test('to nothing makes what it names; one that goes round is refused', async () => {
    await symlink('later', at('link'))
    await writeFileAtomic(at('link'), 'made')
    expect(await text('later')).toBe('made')
    expect((await lstat(at('link'))).isSymbolicLink()).toBe(true)
    await symlink('b', at('a'))
    await symlink('a', at('b'))
    await expect(writeFileAtomic(at('a'), 'x')).rejects.toThrow('ELOOP')
  })

  test('counts .. from the folder it is in, whatever way led there', async () => {
    await mkdir(at('x/y'), { recursive: true })
    await symlink('../real', at('x/y/link'))
    await symlink('x/y', at('short'))
    await writeFileAtomic(at('short/link'), 'up')
    expect(await text('x/real')).toBe('up')
  })

  test('to a folder: the folder is replaced', async () => {
    await mkdir(at('real'))
    await writeFile(at('real/old'), '')
    await symlink('real', at('link'))
    await writeFolderAtomic(at('link'), (folder) => writeFile(join(folder, 'new'), ''))
    expect(await readdir(at('real'))).toEqual(['new'])
    expect((await lstat(at('link'))).isSymbolicLink()).toBe(true)
    expect((await readdir(dir)).sort()).toEqual(['link', 'real'])
  })

  test('is itself what replaceAtomic replaces', async () => {
    await writeFile(at('one'), '1')
    await writeFile(at('two'), '2')
    await symlink('one', at('link'))
    await replaceAtomic(at('link'), (temporary) => symlink('two', temporary))
    expect(await readlink(at('link'))).toBe('two')
    expect([await text('one'), await text('two')]).toEqual(['1', '2'])
  })

  test('and what it names are one file', async () => {
    await writeFile(at('a'), '')
    await writeFile(at('b'), '')
    await symlink('a', at('link'))
    expect([isSameFile(at('a'), at('link')), isSameFile(at('a'), at('b')), isSameFile(at('a'), at('none'))]).toEqual([
      true,
      false,
      false,
    ])
  })
})

describe.skipIf(isWindows)('what is not a file (needs devices and pipes as POSIX has them)', () => {
  const run = promisify(execFile)

  test('a device takes what is written and stays', async () => {
    await writeFileAtomic('/dev/null', 'x')
    await symlink('/dev/null', at('link'))
    await writeFileAtomic(at('link'), 'x')
    expect((await stat('/dev/null')).isCharacterDevice()).toBe(true)
    expect([isStream('/dev/null'), isStream(at('link')), isStream(at('none'))]).toEqual([true, true, false])
  })

  test('a pipe is written to once something reads it, also more than it holds', async () => {
    await run('mkfifo', [at('pipe')])
    expect(isStream(at('pipe'))).toBe(true)
    const long = 'x'.repeat(300_000)
    const written = writeFileAtomic(at('pipe'), long)
    await new Promise((resolve) => setTimeout(resolve, 150))
    const { stdout } = await run('cat', [at('pipe')], { maxBuffer: 2 ** 20 })
    await written
    expect(stdout).toBe(long)
    expect((await stat(at('pipe'))).isFIFO()).toBe(true)
  })
})

describe('a folder', () => {
  const fill = (folder: string) => writeFile(join(folder, 'y'), 'y')

  test('gets its name when it is filled', async () => {
    const broken = async (folder: string) => {
      await writeFile(join(folder, 'x'), 'x')
      expect(await readdir(at('new'))).toEqual([expect.stringMatching(/^\.folder\.tmp-\d+-[0-9a-f]{8}$/)])
      throw new Error('in the middle')
    }
    await expect(writeFolderAtomic(at('new/folder'), broken)).rejects.toThrow('in the middle')
    expect(await readdir(at('new'))).toEqual([])
    await writeFolderAtomic(at('new/folder'), fill)
    expect(await readdir(at('new/folder'))).toEqual(['y'])
  })

  test('replaces a full one, or only an empty one', async () => {
    await mkdir(at('old'))
    await writeFile(at('old/x'), 'x')
    await expect(writeFolderAtomic(at('old'), fill, { onlyEmpty: true })).rejects.toThrow(/ENOTEMPTY|EEXIST/)
    expect(await readdir(at('old'))).toEqual(['x'])
    await writeFolderAtomic(at('old'), fill)
    expect(await readdir(at('old'))).toEqual(['y'])
    await mkdir(at('empty'))
    await writeFolderAtomic(at('empty'), fill, { onlyEmpty: true })
    expect(await readdir(at('empty'))).toEqual(['y'])
    expect((await readdir(dir)).sort()).toEqual(['empty', 'old'])
  })

  test('missing parents are made, an existing folder is fine', async () => {
    await makeFolder(at('a/b/c'))
    await makeFolder(at('a/b/c'))
    expect((await stat(at('a/b/c'))).isDirectory()).toBe(true)
  })

  test('a file in the way is refused', async () => {
    await writeFile(at('file'), '')
    await expect(makeFolder(at('file'))).rejects.toThrow('EEXIST')
    await expect(makeFolder(at('file/below'))).rejects.toThrow('ENOTDIR')
  })

  test.runIf(process.platform === 'linux')(
    'a place that takes no folders is refused, not waited for (needs Linux)',
    async () => {
      await expect(makeFolder('/proc/jora')).rejects.toThrow('ENOENT')
      await expect(makeFolder('/proc/jora/deeper')).rejects.toThrow('ENOENT')
    },
  )
})

describe('what finds no room', () => {
  test('names what was to be written; other errors stay as they are', async () => {
    const write = (error: Error) => writeFolderAtomic(at('out'), () => Promise.reject(error))
    await expect(write(failing('ENOSPC'))).rejects.toMatchObject({
      message: `${at('out')} cannot be written: the disk is full (ENOSPC)`,
      code: 'ENOSPC',
    })
    const other = failing('EIO')
    await expect(write(other)).rejects.toBe(other)
    expect(await readdir(dir)).toEqual([])
  })

  test('says how much it takes where that is known', async () => {
    const full = () => Promise.reject(failing('EDQUOT'))
    await expect(writeStreamAtomic(at('a'), full, { expectedBytes: 3 * 2 ** 20 })).rejects.toThrow(
      `${at('a')} cannot be written: the user's share of the disk is used up (EDQUOT); the file takes about 3 MiB`,
    )
    expect(explainNoRoom(failing('EIO'), 'x')).toMatchObject({ message: 'EIO: write' })
  })
})

test('leftovers of killed writers go, those of other names and of writers still at work stay', async () => {
  const hour = 3_600_000
  const old = new Date(Date.now() - 2 * hour)
  const ours = ['.a.tmp-1', '.a.tmp-22-0123abcd']
  const others = ['.a.tmp-x', 'a.tmp-1', '.a.tmp-1.bak', '.b.tmp-1', '.a.tmp-1-0123abcg']
  for (const name of [...ours, ...others]) {
    await writeFile(at(name), '')
    await utimes(at(name), old, old)
  }
  await writeFile(at('.a.tmp-3'), '')
  await removeTemporaries(dir, (name) => name === 'a', { idleMs: hour })
  expect((await readdir(dir)).sort()).toEqual([...others, '.a.tmp-3'].sort())
  await removeTemporaries(dir, (name) => name === 'a')
  expect((await readdir(dir)).sort()).toEqual(others.sort())
})
