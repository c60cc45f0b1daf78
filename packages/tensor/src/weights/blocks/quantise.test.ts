// Quantising as bitsandbytes does, against what it made (tooling/reference/make_bitsandbytes_goldens.py).
import { expect, test } from 'vitest'
import { codebooks } from '../../nn/quantised'
import goldens from '../../../test/goldens/bitsandbytes.json' with { type: 'json' }
import { decodeRows } from './unpack'
import { dynamicTable, quantisedLayout, quantiseRows, settleScales } from './quantise'

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
const floatsOf = (text: string): Float32Array => new Float32Array(bytesOf(text).slice().buffer)

const [, columns] = goldens.shape as [number, number]
const x = decodeRows(bytesOf(goldens.x), 'f16')

test('the tables are those of bitsandbytes', () => {
  expect(Float32Array.from(codebooks.nf4)).toEqual(floatsOf(goldens.nf4))
  expect(dynamicTable()).toEqual(floatsOf(goldens.dynamic))
})

test('nf4: codes and scales', () => {
  const { codes, scales } = quantiseRows(x, columns, 'nf4')
  // bitsandbytes has neighbours in a byte, the first in its high half; here a block's halves share bytes.
  const theirs = [...bytesOf(goldens.codes)].flatMap((both) => [both >> 4, both & 15])
  const ours = Array.from({ length: x.length }, (_, i) => {
    const [block, within] = [Math.floor(i / 64), i % 64]
    return (codes[block * 32 + (within % 32)]! >> (within < 32 ? 0 : 4)) & 15
  })
  expect(ours).toEqual(theirs)
  // torch adds the scales up in f32, in an order of its own: their mean may be an ulp off ours.
  const mean = scales.reduce((sum, x) => sum + x, 0) / scales.length
  const settled = settleScales(scales, 'nf4')
  floatsOf(goldens.scales).forEach((scale, i) =>
    expect(Math.abs(settled[i]! - scale)).toBeLessThan(2.5e-7 * Math.max(mean, scale)),
  )
})

test('int8: codes and the largest of each row', () => {
  const { codes, scales } = quantiseRows(x, columns, 'int8')
  expect(Int8Array.from(codes, (code) => code - 128)).toEqual(new Int8Array(bytesOf(goldens.int8).buffer))
  expect(settleScales(scales, 'int8')).toEqual(floatsOf(goldens.maxima).map((largest) => largest / 127))
})

test('rows that are no whole blocks have no nf4', () => {
  expect(quantisedLayout('nf4', 96)).toBeUndefined()
  expect(quantisedLayout('nf4', 128)).toEqual({ bits: 4, group: 64, codebook: 'nf4' })
  expect(quantisedLayout('int8', 96)).toEqual({ bits: 8, group: 96 })
})
