// Narrowing of parsed JSON whose shape is not known.

export type JsonRecord = Readonly<Record<string, unknown>>

export const isRecord = (value: unknown): value is JsonRecord =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** The value as an object; an empty one when it is anything else. */
export const asRecord = (value: unknown): JsonRecord => (isRecord(value) ? value : {})

/** The value as an array; an empty one when it is anything else. */
export const asArray = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

export const asString = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
