// tokenizer.model: SentencePiece's vocabulary, a protobuf message, as far as its pieces and scores.
import { ConfigError } from '@jora/lora'

interface Piece {
  readonly text: string
  readonly score: number
}

/** Fields of a protobuf message: varints as bigint, the rest as bytes. */
function* fields(bytes: Uint8Array): Generator<{ field: number; value: bigint | Uint8Array }> {
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 63n) throw new RangeError('broken off')
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new RangeError('broken off')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const [field, wire] = [tag >>> 3, tag & 7]
    if (wire === 0) yield { field, value: varint() }
    else if (wire === 1) yield { field, value: take(8) }
    else if (wire === 2) yield { field, value: take(Number(varint())) }
    else if (wire === 5) yield { field, value: take(4) }
    else throw new RangeError(`wire type ${wire}`)
  }
}

/**
 * Pieces by id: field 1 of the model, repeated, of which field 1 is the text, field 2 the score (float32).
 * @throws ConfigError when `bytes` are no such message
 */
export function readPieces(bytes: Uint8Array, path: string): Piece[] {
  try {
    const pieces: Piece[] = []
    for (const { field, value } of fields(bytes)) {
      if (field !== 1 || !(value instanceof Uint8Array)) continue
      let [text, score] = ['', 0]
      for (const inner of fields(value)) {
        if (!(inner.value instanceof Uint8Array)) continue
        if (inner.field === 1) text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(inner.value)
        if (inner.field === 2) score = new DataView(inner.value.buffer, inner.value.byteOffset).getFloat32(0, true)
      }
      pieces.push({ text, score })
    }
    return pieces
  } catch (error) {
    throw new ConfigError(`${path} is not a SentencePiece model: ${(error as Error).message}`)
  }
}
