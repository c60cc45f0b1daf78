// Every block type against what gguf-py unpacks, bit for bit (tooling/reference/make_block_goldens.py).
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { blockTypes, type BlockType } from './types'
import { decodeRows } from './unpack'

const goldens = JSON.parse(readFileSync(join(import.meta.dirname, '../../../test/goldens/blocks.json'), 'utf8')) as {
  cases: { type: BlockType; bytes: string; values: string }[]
}

test.each(goldens.cases)('$type', ({ type, bytes, values }) => {
  const found = decodeRows(new Uint8Array(Buffer.from(bytes, 'base64')), type)
  const expected = new Uint32Array(new Uint8Array(Buffer.from(values, 'base64')).buffer)
  expect(new Uint32Array(found.buffer)).toEqual(expected)
})

test('every quantised type has a golden', () => {
  const quantised = Object.entries(blockTypes).flatMap(([name, { blockElements }]) => (blockElements > 1 ? [name] : []))
  expect(goldens.cases.map(({ type }) => type).sort()).toEqual(quantised.sort())
})
