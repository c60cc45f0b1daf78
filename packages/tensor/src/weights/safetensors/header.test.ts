// The reader against the reference's own cases and against every broken rule, with its error texts.

import { describe, expect, it } from 'vitest'
import fixture from './cases.fixture.json'
import { SafetensorsError } from './error'
import { parseSafetensors } from './parse'

function file(header: string | Uint8Array, dataBytes = 0): Uint8Array {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header
  const bytes = new Uint8Array(8 + json.length + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
  bytes.set(json, 8)
  return bytes
}

function verdict(bytes: Uint8Array): string {
  try {
    parseSafetensors(bytes, 'm.safetensors')
    return 'ok'
  } catch (error) {
    if (!(error instanceof SafetensorsError)) throw error
    expect(error.file).toBe('m.safetensors')
    return `${error.code}: ${error.message}`
  }
}

const i32 = (name: string, begin: number, end: number, shape = `[${(end - begin) / 4}]`) =>
  `${name}:{"dtype":"I32","shape":${shape},"data_offsets":[${begin},${end}]}`

describe('reference cases', () => {
  it('has all 15', () => expect(fixture.cases).toHaveLength(15))
  it.each(fixture.cases)('$name: $expect', ({ base64, expect: expected }) => {
    expect(verdict(Buffer.from(base64, 'base64')).split(':')[0]).toBe(expected)
  })
})

describe('accepts', () => {
  it.each([
    ['tensors listed out of order', `{${i32('"b"', 4, 8)},${i32('"a"', 0, 4)}}`, 8],
    ['equal keys in different objects', `{"__metadata__":{"a":"1","dtype":"x"},${i32('"a"', 0, 4)}}`, 4],
    ['names with escapes and braces', `{${i32('"a\\"{:,\\\\"', 0, 4)},${i32('"a\\\\"', 4, 8)}}`, 8],
    ['an empty tensor between others', `{${i32('"a"', 0, 4)},${i32('"e"', 4, 4)},${i32('"b"', 4, 8)}}`, 8],
    [
      'an unknown member, as the reference does',
      '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":{"y":[1.5]}}}',
      1,
    ],
    ['4-bit elements that fill bytes', '{"a":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}}', 3],
    ['names of Object.prototype', `{${i32('"__proto__"', 0, 4)},${i32('"constructor"', 4, 8)}}`, 8],
  ])('%s', (_, header, dataBytes) => expect(verdict(file(header, dataBytes))).toBe('ok'))

  it('keeps tensors in the order of their data', () => {
    const { tensors, read } = parseSafetensors(file(`{${i32('"b"', 4, 8)},${i32('"a"', 0, 4)}}`, 8))
    expect([...tensors.keys()]).toEqual(['a', 'b'])
    expect(read('b')).toHaveLength(4)
    expect(() => read('c')).toThrow('safetensors: bytes: no tensor "c" (it has 2 tensors: "a", "b")')
  })
})

describe('refuses', () => {
  it.each([
    ['a gap', `{${i32('"a"', 0, 4)},${i32('"b"', 8, 12)}}`, 12],
    ['a gap at the start', `{${i32('"a"', 4, 8)}}`, 8],
    ['an overlap', `{${i32('"a"', 0, 8)},${i32('"b"', 4, 8)}}`, 8],
    ['two tensors on the same bytes', `{${i32('"a"', 0, 8)},${i32('"b"', 0, 8)}}`, 8],
    ['reversed offsets', `{${i32('"a"', 0, 4)},${i32('"b"', 4, 0, '[0]')}}`, 4],
    ['duplicate tensors', `{${i32('"a"', 0, 4)},${i32('"a"', 0, 4)}}`, 4],
    ['duplicate tensors behind an escape', `{${i32('"ab"', 0, 4)},${i32('"\\u0061b"', 0, 4)}}`, 4],
    ['duplicate metadata', '{"__metadata__":{"a":"1","a":"2"}}', 0],
    ['duplicate members', '{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}', 1],
    ['an unknown dtype', '{"a":{"dtype":"F128","shape":[1],"data_offsets":[0,16]}}', 16],
    ['no dtype', '{"a":{"shape":[1],"data_offsets":[0,1]}}', 1],
    ['a dtype from Object.prototype', '{"a":{"dtype":"toString","shape":[1],"data_offsets":[0,1]}}', 1],
    ['a negative size', `{${i32('"a"', 0, 4, '[-1]')}}`, 4],
    ['a fractional size', `{${i32('"a"', 0, 4, '[1.0]')}}`, 4],
    ['a size with an exponent', `{${i32('"a"', 0, 40, '[1e1]')}}`, 40],
    ['a size in a string', `{${i32('"a"', 0, 4, '["1"]')}}`, 4],
    ['no shape', '{"a":{"dtype":"U8","data_offsets":[0,1]}}', 1],
    ['three offsets', '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}', 1],
    ['offsets past 2^53', '{"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,1]}}', 1],
    ['bytes past 2^53', '{"a":{"dtype":"F64","shape":[4503599627370496,1],"data_offsets":[0,1]}}', 1],
    ['4-bit elements that do not fill bytes', '{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}}', 1],
    ['a number as metadata', '{"__metadata__":{"epoch":3}}', 0],
    ['an array as metadata', '{"__metadata__":["a"]}', 0],
    ['an entry that is no object', '{"a":7}', 0],
    ['half a surrogate pair in a name', `{${i32('"\\ud800"', 0, 4)}}`, 4],
    ['a byte order mark', '\uFEFF{}', 0],
    ['an array', '[]', 0],
    ['an empty header', '', 0],
    ['bytes without a tensor', '{}', 3],
  ])('%s', (_, header, dataBytes) => expect(verdict(file(header, dataBytes))).toMatchSnapshot())

  it('text behind the object', () => {
    // The rest of this message is the JavaScript engine's.
    expect(verdict(file('{}x'))).toContain(
      'InvalidHeaderDeserialization: safetensors: m.safetensors: header is not JSON: ',
    )
  })

  it('a header length past 2^53', () => {
    expect(verdict(new Uint8Array(8).fill(255))).toMatchSnapshot()
  })
})
