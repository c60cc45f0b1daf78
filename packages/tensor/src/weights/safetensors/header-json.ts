// The two header checks JSON.parse cannot make: duplicate keys, and integers written as integers.

export type HeaderFault =
  | { kind: 'duplicate'; key: string; tensor: string }
  | { kind: 'number'; text: string; key: string; tensor: string }

interface Level {
  keys: Set<string> | undefined // undefined in an array
  key: string // the member being read
}

/**
 * Walks `json`, which JSON.parse has already accepted, and returns the first fault, or `undefined`. JSON.parse keeps the last
 * of two equal keys and reads `2.0` and `2e0` as 2; the reference refuses both.
 */
export function findHeaderFault(json: string): HeaderFault | undefined {
  const stack: Level[] = []
  let wantKey = false
  let at = 0
  while (at < json.length) {
    const char = json[at]!
    const level = stack.at(-1)
    if (char === '"') {
      const end = stringEnd(json, at)
      if (wantKey && level?.keys) {
        const raw = json.slice(at, end)
        const key = JSON.parse(raw) as string
        if (level.keys.has(key)) return { kind: 'duplicate', key, tensor: stack.length > 1 ? stack[0]!.key : key }
        level.keys.add(key)
        level.key = key
        wantKey = false
      }
      at = end
    } else if (char === '{' || char === '[') {
      stack.push({ keys: char === '{' ? new Set() : undefined, key: '' })
      wantKey = char === '{'
      at++
    } else if (char === '}' || char === ']') {
      stack.pop()
      wantKey = false
      at++
    } else if (char === ',') {
      wantKey = level?.keys !== undefined
      at++
    } else if (char === '-' || (char >= '0' && char <= '9')) {
      const end = numberEnd(json, at)
      const text = json.slice(at, end)
      const owner = stack[1]
      const isField = stack.length === 3 && (owner?.key === 'shape' || owner?.key === 'data_offsets')
      if (isField && !/^\d+$/.test(text)) return { kind: 'number', text, key: owner.key, tensor: stack[0]!.key }
      at = end
    } else {
      at++
    }
  }
  return undefined
}

/** Index just past the closing quote of the string that opens at `start`. */
function stringEnd(json: string, start: number): number {
  for (let at = start + 1; ; at++) {
    const char = json[at]
    if (char === '"') return at + 1
    if (char === '\\') at++
  }
}

function numberEnd(json: string, start: number): number {
  let at = start + 1
  while (at < json.length && '0123456789+-.eE'.includes(json[at]!)) at++
  return at
}
