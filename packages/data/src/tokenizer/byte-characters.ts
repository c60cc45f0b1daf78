// GPT-2's printable alphabet for bytes: a character for each of the 256.

const characterOf: readonly string[] = (() => {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    return String.fromCharCode(printable ? byte : next++)
  })
})()
const byteOf: ReadonlyMap<string, number> = new Map(characterOf.map((character, byte) => [character, byte]))
const encoder = new TextEncoder()

/** A text's UTF-8 bytes, a character each. */
export function bytesAsCharacters(text: string): string {
  let characters = ''
  for (const byte of encoder.encode(text)) characters += characterOf[byte]!
  return characters
}

/** The bytes that the characters stand for; the text's own UTF-8 where one of them stands for none. */
export function charactersAsBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const byte = byteOf.get(text[i]!)
    if (byte === undefined) return encoder.encode(text)
    bytes[i] = byte
  }
  return bytes
}
