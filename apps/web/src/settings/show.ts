// A setting's value as text.

export function show(value: unknown): string {
  if (value === undefined || value === null || value === '') return '–'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number' || typeof value === 'string') return String(value)
  if (Array.isArray(value)) return value.length === 0 ? '–' : value.map(show).join(', ')
  const entries = Object.entries(value)
  return entries.length === 0 ? '–' : entries.map(([key, part]) => `${key}: ${show(part)}`).join(', ')
}

/** The plain values in nested objects, each with the keys that lead to it; those that say nothing are left out. */
export function flatten(value: Readonly<Record<string, unknown>>): (readonly [readonly string[], unknown])[] {
  return Object.entries(value).flatMap(([key, part]) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? flatten(part as Record<string, unknown>).map(([keys, inner]) => [[key, ...keys], inner] as const)
      : show(part) === '–'
        ? []
        : [[[key], part] as const],
  )
}
