// A setting's value as text.

export function show(value: unknown): string {
  if (value === undefined || value === null || value === '') return '–'
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'number' || typeof value === 'string') return String(value)
  if (Array.isArray(value)) return value.length === 0 ? '–' : value.map(show).join(', ')
  const entries = Object.entries(value)
  return entries.length === 0 ? '–' : entries.map(([key, part]) => `${key}: ${show(part)}`).join(', ')
}
