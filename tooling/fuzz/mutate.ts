// Seeded mutations of bytes, texts and JSON values: small faults of the kinds that files in the world have.

/** A small generator of 32-bit numbers (mulberry32): the same seed gives the same mutations on every machine. */
export class Dice {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }
  /** From 0 to below 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  /** A whole number from 0 to below `n`. */
  below(n: number): number {
    return Math.floor(this.next() * n)
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!
  }
}

const hostileBytes = [0x00, 0x0a, 0x22, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xbf, 0xc0, 0xed, 0xfe, 0xff]

/** One to four faults in a copy of the bytes: flipped bits, cut ends, ranges doubled, removed or filled, large numbers. */
export function mutateBytes(source: Uint8Array, dice: Dice): Uint8Array {
  let bytes = source.slice()
  for (let faults = 1 + dice.below(4); faults > 0; faults--) {
    if (bytes.length === 0) return bytes
    // Faults in headers are worth more than faults in weights.
    const reach = dice.next() < 0.7 ? Math.min(bytes.length, 512) : bytes.length
    const at = dice.below(reach)
    const length = 1 + dice.below(Math.min(64, bytes.length - at))
    switch (dice.below(7)) {
      case 0:
        bytes[at]! ^= 1 << dice.below(8)
        break
      case 1:
        bytes[at] = dice.pick(hostileBytes)
        break
      case 2:
        bytes = bytes.slice(0, at)
        break
      case 3:
        bytes = Uint8Array.from([...bytes.subarray(0, at), ...bytes.subarray(at + length)])
        break
      case 4:
        bytes = Uint8Array.from([...bytes.subarray(0, at + length), ...bytes.subarray(at)])
        break
      case 5:
        bytes.fill(dice.pick(hostileBytes), at, at + length)
        break
      default:
        if (bytes.length >= at + 8)
          new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(
            at,
            dice.pick([0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]),
            true,
          )
    }
  }
  return bytes
}

const lone = '\ud800'
const hostileTexts = [
  '',
  ' ',
  '\0',
  '\u2028',
  '\u00ad',
  lone,
  '{{',
  '{%',
  '}}',
  '%}',
  '../..',
  '%s',
  '<s>',
  '"',
  "'",
  '\\',
  '[[',
] as const
const longText = 'a'.repeat(100_000)

/** One to four faults in a text. */
export function mutateText(source: string, dice: Dice): string {
  let text = source
  for (let faults = 1 + dice.below(4); faults > 0; faults--) {
    const at = dice.below(text.length + 1)
    const length = dice.below(Math.min(40, text.length - at) + 1)
    switch (dice.below(5)) {
      case 0:
        text = text.slice(0, at) + dice.pick(hostileTexts) + text.slice(at)
        break
      case 1:
        text = text.slice(0, at) + text.slice(at + length)
        break
      case 2:
        text = text.slice(0, at + length) + text.slice(at)
        break
      case 3:
        text = text.slice(0, at)
        break
      default: {
        const other = dice.below(text.length + 1)
        text = text.slice(0, at) + text.slice(other, other + 40) + text.slice(at)
      }
    }
  }
  return text
}

const nested = (depth: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { a: value }
  return value
}

const hostileValues = (dice: Dice): unknown =>
  dice.pick<() => unknown>([
    () => null,
    () => true,
    () => 0,
    () => -1,
    () => 0.5,
    () => 1e308,
    () => 2 ** 53,
    () => '',
    () => dice.pick(hostileTexts),
    () => longText,
    () => [],
    () => ({}),
    () => [null],
    () => ({ '': {} }),
    () => ['a', 1, null],
    () => nested(500),
    () => ({ ['__proto__']: 1, constructor: 2, toString: 3, length: -1 }),
  ])()

/** One to three faults in a copy of a JSON value: keys removed, renamed, doubled, values of other types. */
export function mutateJson(source: unknown, dice: Dice): unknown {
  const root = { root: structuredClone(source) }
  for (let faults = 1 + dice.below(3); faults > 0; faults--) {
    const { parent, key } = somewhere(root, dice)
    switch (dice.below(5)) {
      case 0:
        if (Array.isArray(parent)) parent.splice(Number(key), 1)
        else if (parent !== root) delete (parent as Record<string, unknown>)[key]
        break
      case 1:
        if (Array.isArray(parent)) parent.splice(Number(key), 0, structuredClone(parent[Number(key)]))
        else if (parent !== root)
          (parent as Record<string, unknown>)[`${key}${dice.pick(['_', ' ', 's', 'x'])}`] = structuredClone(
            (parent as Record<string, unknown>)[key],
          )
        break
      case 2: {
        const value = (parent as Record<string, unknown>)[key]
        if (typeof value === 'string')
          (parent as Record<string, unknown>)[key] = mutateText(value.slice(0, 20_000), dice)
        else (parent as Record<string, unknown>)[key] = hostileValues(dice)
        break
      }
      case 3: {
        const value = (parent as Record<string, unknown>)[key]
        ;(parent as Record<string, unknown>)[key] =
          typeof value === 'number' ? dice.pick([-value, value + 0.5, value * 1e9, String(value)]) : hostileValues(dice)
        break
      }
      default:
        ;(parent as Record<string, unknown>)[key] = hostileValues(dice)
    }
  }
  return root.root
}

/** A place in a value: deeper places are as likely as shallow ones. */
function somewhere(root: object, dice: Dice): { parent: object; key: string } {
  let parent: object = root
  let key = 'root'
  for (let depth = 0; depth < 12; depth++) {
    const value = (parent as Record<string, unknown>)[key]
    if (typeof value !== 'object' || value === null || dice.next() < 0.25) break
    const keys = Array.isArray(value) ? [...value.keys()].slice(0, 5000).map(String) : Object.keys(value)
    if (keys.length === 0) break
    parent = value
    key = dice.pick(keys)
  }
  return { parent, key }
}
