// Files on disk: round trips, tensors past 4 GB, writes that fail half way, files that cannot be read.

import { mkdir, mkdtemp, open, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fromSafetensorsDType, toSafetensorsDType } from './dtypes'
import { parseSafetensors } from './parse'
import { openSafetensors } from './read'
import { serializeSafetensors, type SafetensorsEntry } from './serialize'
import { writeSafetensors } from './write'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'jora-safetensors-'))
})
afterEach(() => rm(dir, { recursive: true, force: true }))

const bytes = (...values: number[]) => Uint8Array.from(values)
async function* inParts(data: Uint8Array) {
  for (let at = 0; at < data.length; at += 3) yield data.subarray(at, at + 3)
}
const entries: SafetensorsEntry<Uint8Array>[] = [
  { name: 'norm', dtype: 'BF16', shape: [3], data: bytes(1, 2, 3, 4, 5, 6) },
  { name: 'mask', dtype: 'BOOL', shape: [3], data: bytes(1, 0, 1) },
  { name: 'b', dtype: 'F32', shape: [1, 2], data: bytes(1, 2, 3, 4, 5, 6, 7, 8) },
  { name: 'a', dtype: 'F32', shape: [], data: bytes(9, 9, 9, 9) },
  { name: '10', dtype: 'F16', shape: [2, 0], data: bytes() },
  { name: 'é "quoted"\n', dtype: 'I64', shape: [1], data: bytes(1, 2, 3, 4, 5, 6, 7, 8) },
]

describe('round trip', () => {
  it('lays tensors out as the reference does', () => {
    const file = serializeSafetensors(entries, { format: 'pt' })
    const parsed = parseSafetensors(file)
    expect([...parsed.tensors.keys()]).toEqual(['é "quoted"\n', 'a', 'b', 'norm', '10', 'mask'])
    expect(parsed.dataStart % 8).toBe(0)
    expect(parsed.metadata).toEqual({ format: 'pt' })
    for (const { name, dtype, shape, data } of entries) {
      expect(parsed.tensors.get(name)).toMatchObject({ dtype, shape })
      expect(parsed.read(name)).toEqual(data)
    }
    expect(new TextDecoder().decode(file.subarray(8, parsed.dataStart)).trimEnd()).toMatchInlineSnapshot(
      `"{"__metadata__":{"format":"pt"},"é \\"quoted\\"\\n":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[],"data_offsets":[8,12]},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[12,20]},"norm":{"dtype":"BF16","shape":[3],"data_offsets":[20,26]},"10":{"dtype":"F16","shape":[2,0],"data_offsets":[26,26]},"mask":{"dtype":"BOOL","shape":[3],"data_offsets":[26,29]}}"`,
    )
  })

  it('gives the reference’s bytes', () => {
    // safetensors/src/tensor.rs, test_serialization_forced_alignement and test_empty (Apache-2.0).
    const data = new Uint8Array(new Float32Array([0, 1, 2, 3, 4, 5]).buffer)
    const json = '{"attn0":{"dtype":"F32","shape":[1,1,2,3],"data_offsets":[0,24]}}       '
    const expected = Buffer.concat([bytes(72, 0, 0, 0, 0, 0, 0, 0), Buffer.from(json), data])
    const written = serializeSafetensors([{ name: 'attn0', dtype: 'F32', shape: [1, 1, 2, 3], data }])
    expect(Buffer.from(written).equals(expected)).toBe(true)
    expect(Buffer.from(serializeSafetensors([])).toString()).toBe('\b\0\0\0\0\0\0\0{}      ')
  })

  it('through a file, from bytes and producers, of all of it or of parts', async () => {
    const path = join(dir, 'm.safetensors')
    await writeSafetensors(
      path,
      entries.map((e, i) => ({ ...e, data: [e.data, async () => e.data, () => inParts(e.data)][i % 3]! })),
      { a: 'b' },
    )
    expect(await readdir(dir)).toEqual(['m.safetensors'])
    expect(new Uint8Array(await readFile(path))).toEqual(serializeSafetensors(entries, { a: 'b' }))
    await using file = await openSafetensors(path)
    expect(file.metadata).toEqual({ a: 'b' })
    const all = await Promise.all(entries.map(({ name }) => file.read(name)))
    expect(all).toEqual(entries.map(({ data }) => data))
    expect(await file.readRange('b', 2, 5)).toEqual(bytes(3, 4, 5))
    expect(await file.readRange('b', 8, 8)).toEqual(bytes())
    await expect(file.readRange('b', 2, 9)).rejects.toThrow('bytes 2 to 9 of tensor "b", which has 8')
    await expect(file.readRange('b', 3, 2)).rejects.toThrow(RangeError)
    await expect(file.read('c')).rejects.toThrow('no tensor "c" (it has 6 tensors')
  })

  it('gives the real file behind a link', async () => {
    await mkdir(join(dir, 'blobs'))
    await writeFile(join(dir, 'blobs/x'), serializeSafetensors(entries))
    await symlink('blobs/x', join(dir, 'link.safetensors'))
    await using file = await openSafetensors(join(dir, 'link.safetensors'))
    const range = file.range('b')
    expect(range).toMatchObject({ path: expect.stringMatching(/blobs[/\\]x$/), length: 8 })
    const whole = await readFile(range.path)
    expect(new Uint8Array(whole.subarray(range.offset, range.offset + range.length))).toEqual(await file.read('b'))
  })

  it('maps dtypes both ways', () => {
    for (const dtype of ['f32', 'f16', 'bf16', 'i32', 'u32', 'bool'] as const) {
      expect(fromSafetensorsDType(toSafetensorsDType(dtype))).toBe(dtype)
    }
    expect(fromSafetensorsDType('I64')).toBeUndefined()
  })
})

it('reads tensors past 4 GB', async () => {
  const path = join(dir, 'huge.safetensors')
  const big = 5 * 2 ** 30
  const header = {
    big: { dtype: 'U8', shape: [big], data_offsets: [0, big] },
    late: { dtype: 'U8', shape: [4], data_offsets: [big, big + 4] },
  }
  const json = Buffer.from(JSON.stringify(header))
  const prefix = Buffer.alloc(8)
  prefix.writeBigUInt64LE(BigInt(json.length))
  const start = 8 + json.length
  const handle = await open(path, 'w')
  await handle.write(Buffer.concat([prefix, json]), 0, start, 0)
  await handle.truncate(start + big + 4)
  await handle.write(bytes(7, 8, 9, 10), 0, 4, start + big)
  await handle.write(bytes(5, 6), 0, 2, start + big - 2)
  await handle.close()
  await using file = await openSafetensors(path)
  expect(file.range('late').offset).toBe(start + big)
  expect(await file.read('late')).toEqual(bytes(7, 8, 9, 10))
  expect(await file.readRange('big', big - 3, big)).toEqual(bytes(0, 5, 6))
  // One read of 512 MiB and a rest: the seam holds.
  const long = await file.readRange('big', big - 2 ** 29 - 5, big)
  expect(long).toHaveLength(2 ** 29 + 5)
  expect([...long.subarray(-3)]).toEqual([0, 5, 6])
})

describe('writes that fail', () => {
  it('leave no file, and an older file as it was', async () => {
    const path = join(dir, 'm.safetensors')
    const failing = [
      { name: 'a', dtype: 'F32' as const, shape: [1], data: bytes(1, 2, 3, 4) },
      { name: 'b', dtype: 'F32' as const, shape: [1], data: () => Promise.reject(new Error('device lost')) },
    ]
    await expect(writeSafetensors(path, failing)).rejects.toThrow('device lost')
    expect(await readdir(dir)).toEqual([])
    await writeFile(path, 'older')
    await expect(writeSafetensors(path, failing)).rejects.toThrow('device lost')
    expect(await readdir(dir)).toEqual(['m.safetensors'])
    expect(await readFile(path, 'utf8')).toBe('older')
  })

  it.each([
    [
      'a wrong size',
      [{ name: 'a', dtype: 'F32', shape: [2], data: bytes(1) }],
      'tensor "a": 1 bytes of data, F32 [2] needs 8',
    ],
    ['a produced wrong size', [{ name: 'a', dtype: 'U8', shape: [2], data: async () => bytes(1) }], '1 bytes of data'],
    ['a name twice', [0, 1].map(() => ({ name: 'a', dtype: 'U8', shape: [1], data: bytes(1) })), 'given twice'],
    ['the reserved name', [{ name: '__metadata__', dtype: 'U8', shape: [1], data: bytes(1) }], 'reserved'],
    ['a negative size', [{ name: 'a', dtype: 'U8', shape: [-1], data: bytes() }], 'shape [-1]'],
    ['half bytes', [{ name: 'a', dtype: 'F4', shape: [1], data: bytes(1) }], 'does not fill whole bytes'],
    ['half a surrogate pair', [{ name: '\ud800', dtype: 'U8', shape: [1], data: bytes(1) }], 'not valid Unicode'],
    ['a size past 2^53', [{ name: 'a', dtype: 'F64', shape: [2 ** 52], data: bytes() }], 'over 2^53'],
  ])('on %s', async (_, tensors, message) => {
    await expect(writeSafetensors(join(dir, 'm'), tensors as SafetensorsEntry<Uint8Array>[])).rejects.toThrow(message)
    expect(await readdir(dir)).toEqual([])
  })

  it('into a folder that is not there', async () => {
    await expect(writeSafetensors(join(dir, 'no/m'), entries)).rejects.toThrow('ENOENT')
  })
})

describe('files that cannot be read', () => {
  it('say why', async () => {
    await expect(openSafetensors(join(dir, 'none'))).rejects.toThrow('none: no such file')
    await expect(openSafetensors(join(dir, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(openSafetensors(dir)).rejects.toThrow('is a folder, expected a file')
  })

  it('cut short: at opening, and while open', async () => {
    const path = join(dir, 'm.safetensors')
    await writeSafetensors(path, entries)
    const size = (await readFile(path)).length
    await using file = await openSafetensors(path)
    await truncate(path, size - 1)
    await expect(openSafetensors(path)).rejects.toMatchObject({ code: 'MetadataIncompleteBuffer' })
    await expect(file.read('mask')).rejects.toThrow('was it cut while open?')
    for (const [bytesLeft, code] of [
      [20, 'InvalidHeaderLength'],
      [3, 'HeaderTooSmall'],
    ] as const) {
      await truncate(path, bytesLeft)
      await expect(openSafetensors(path)).rejects.toMatchObject({ code, file: path })
    }
  })

  it('closed', async () => {
    const path = join(dir, 'm.safetensors')
    await writeSafetensors(path, entries)
    const file = await openSafetensors(path)
    await file.close()
    await file.close()
    await expect(file.read('a')).rejects.toThrow('read of "a" after close')
  })
})
