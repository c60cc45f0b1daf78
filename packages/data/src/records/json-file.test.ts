// JSON files: what is wrong with one is said with its name, its line, and the way out.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readTextIfThere } from '../rows/files'
import { parseJsonFile } from './json-file'

class Refusal extends Error {}
const parse = (text: string) => parseJsonFile(text, 'm/config.json', Refusal)

test('what is JSON is read, also behind a byte order mark', () => {
  expect(parse(' {"a": [1, null]}\n')).toEqual({ a: [1, null] })
  expect(parse('\uFEFF{"a": 1}')).toEqual({ a: 1 })
})

test.each([
  ['', 'm/config.json is empty; expected JSON'],
  [' \n', 'm/config.json is empty; expected JSON'],
  ['{"a": [1,', 'm/config.json is not valid JSON: it ends too early; is it whole?'],
  ['{\n "a": 1,\n "b": None\n}', 'm/config.json is not valid JSON: line 3: unexpected "None"'],
  ['{"a": 1} {"b": 2}', 'm/config.json is not valid JSON: line 1: unexpected "{\\"b\\": 2}"'],
  ['Entry not found', 'm/config.json is not valid JSON: line 1: unexpected "Entry not found"'],
  [
    'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n',
    'm/config.json is a Git LFS pointer, not the file: fetch it with `git lfs pull`, or download the file itself',
  ],
])('%j', (text, message) => {
  expect(() => parse(text)).toThrow(Refusal)
  expect(() => parse(text)).toThrow(message)
})

describe('the text of a file that may be missing', () => {
  let folder = ''
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'jora-json-'))))
  afterAll(() => rm(folder, { recursive: true }))

  test('missing, here or on the way', async () => {
    expect(await readTextIfThere(join(folder, 'none.json'))).toBe(undefined)
    await writeFile(join(folder, 'a.json'), '{}')
    expect(await readTextIfThere(join(folder, 'a.json', 'b.json'))).toBe(undefined)
    expect(await readTextIfThere(join(folder, 'a.json'))).toBe('{}')
  })

  test('UTF-16, as PowerShell writes it, is decoded; Latin-1, a folder and a pointer are refused', async () => {
    const path = join(folder, 'x.json')
    await writeFile(path, Buffer.from('\uFEFF{"é": 1}', 'utf16le'))
    expect(await readTextIfThere(path)).toBe('{"é": 1}')
    await writeFile(path, Buffer.from('{"é": 1}', 'latin1'))
    await expect(readTextIfThere(path)).rejects.toThrow(`${path}: is not UTF-8 text: byte 0xe9 in line 1, offset 2`)
    await writeFile(path, 'version https://git-lfs.github.com/spec/v1\n')
    await expect(readTextIfThere(path)).rejects.toThrow(`${path}: is a Git LFS pointer, not the file: fetch it`)
    await expect(readTextIfThere(folder)).rejects.toThrow(`${folder}: is a folder; expected a file`)
  })
})
