// Parsed JSON whose shape is not known: narrowing it, and numbers that keep their digits.

export type JsonRecord = Readonly<Record<string, unknown>>

/** A number that a JavaScript number would not give back as it was written: `1.10`, `1e3`, `12345678901234567890`. */
export class JsonNumber {
  constructor(readonly source: string) {}
}

export const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof JsonNumber)

/** The value as an object; an empty one when it is anything else. */
export const asRecord = (value: unknown): JsonRecord => (isRecord(value) ? value : {})

/** The value as an array; an empty one when it is anything else. */
export const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

export const asString = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

/** A text, or a number in the characters of its file; undefined for anything else. */
export function asText(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  return value instanceof JsonNumber ? value.source : asString(value)
}
