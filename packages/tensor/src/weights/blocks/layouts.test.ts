// Codes of every block type stand for what gguf-py unpacks, bit for bit, in the arithmetic of f32 that devices have.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { codebooks } from '../../nn/quantised'
import { codesOfRows, hasMinima, layoutOf } from './layouts'
import { blockTypes, type BlockType } from './types'

type QuantType = Exclude<BlockType, 'f32' | 'f16' | 'bf16'>

const goldens = JSON.parse(readFileSync(join(import.meta.dirname, '../../../test/goldens/blocks.json'), 'utf8')) as {
  cases: { type: QuantType; bytes: string; values: string }[]
}
const { fround } = Math

function valuesOf(bytes: Uint8Array, type: QuantType): Float32Array {
  const { codes, scales, mins } = codesOfRows(bytes, type)
  const { bits, group, codebook } = layoutOf(type)
  return Float32Array.from({ length: (codes.length * 8) / bits }, (_, i) => {
    const [g, within] = [Math.floor(i / group), i % group]
    const both = codes[bits === 8 ? i : (g * group) / 2 + (within % (group / 2))]!
    const code = bits === 8 ? both : within < group / 2 ? both & 15 : both >> 4
    const level = codebook ? codebooks[codebook][code]! : mins ? code : code - 2 ** (bits - 1)
    return fround(fround(level * scales[g]!) + (mins ? mins[g]! : 0))
  })
}

describe.each(goldens.cases)('$type', ({ type, bytes, values }) => {
  const block = new Uint8Array(Buffer.from(bytes, 'base64'))

  test('codes, scales and minima stand for the values', () => {
    const expected = new Float32Array(new Uint8Array(Buffer.from(values, 'base64')).buffer)
    // A zero's sign is nobody's concern.
    expect(valuesOf(block, type).map((v) => v + 0)).toEqual(expected.map((v) => v + 0))
    expect(codesOfRows(block, type).mins !== undefined).toBe(hasMinima(type))
  })

  test('a scale that is not finite is refused', () => {
    const broken = block.slice()
    // Every f16 that a block may begin or end with is NaN now, among them its scale.
    const { blockBytes } = blockTypes[type]
    for (const at of [0, 2, blockBytes - 2, blockBytes - 4]) broken.set([0, 0x7e], at)
    expect(() => codesOfRows(broken, type)).toThrow('a block has a scale that is not finite')
  })
})
