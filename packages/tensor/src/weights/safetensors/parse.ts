// A whole safetensors file in memory, as a page or a test holds it. No Node imports.

import { headerLength, parseHeader, prefixBytes, type SafetensorsHeader } from './header'

/** A safetensors file in memory. */
export interface SafetensorsBytes extends SafetensorsHeader {
  /** Byte offset of the data section. */
  readonly dataStart: number
  /** The tensor's bytes: a view into the given array, not a copy. Throws when there is no tensor `name`. */
  read(name: string): Uint8Array
}

/** Parses a safetensors file held in memory; `source` names it in messages. Throws SafetensorsError when malformed. */
export function parseSafetensors(bytes: Uint8Array, source = 'bytes'): SafetensorsBytes {
  const dataStart = prefixBytes + headerLength(bytes.subarray(0, prefixBytes), bytes.length, source)
  const header = parseHeader(bytes.subarray(prefixBytes, dataStart), bytes.length - dataStart, source)
  return {
    ...header,
    dataStart,
    read(name) {
      const info = header.tensors.get(name)
      if (!info) throw new Error(noTensor(source, name, header))
      return bytes.subarray(dataStart + info.begin, dataStart + info.end)
    },
  }
}

export function noTensor(source: string, name: string, header: SafetensorsHeader): string {
  const some = [...header.tensors.keys()].slice(0, 3).map((key) => JSON.stringify(key))
  const listed = `${header.tensors.size} tensors${some.length ? `: ${some.join(', ')}${header.tensors.size > 3 ? ', …' : ''}` : ''}`
  return `safetensors: ${source}: no tensor ${JSON.stringify(name)} (it has ${listed})`
}
