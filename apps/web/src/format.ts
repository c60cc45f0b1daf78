// Numbers, sizes, times as people read them.

const group = new Intl.NumberFormat('en')

/** 1,234,567 */
export const integer = (value: number): string => group.format(Math.round(value))

/** 1.05M, 315k, 12: three digits at most. */
export function compact(value: number): string {
  for (const [size, unit] of [
    [1e12, 'T'],
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const)
    if (Math.abs(value) >= size) return `${digits(value / size, 3)}${unit}`
  return digits(value, 3)
}

/** 1.5 GiB, 320 MiB, 12 B */
export function bytes(value: number): string {
  for (const [power, unit] of [
    [40, 'TiB'],
    [30, 'GiB'],
    [20, 'MiB'],
    [10, 'KiB'],
  ] as const)
    if (Math.abs(value) >= 2 ** power) return `${digits(value / 2 ** power, 3)} ${unit}`
  return `${Math.round(value)} B`
}

/** 45 s, 3 min 20 s, 2 h 5 min, 3 d 4 h: two units at most. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '–'
  if (seconds < 1) return 'under 1 s'
  const whole = Math.round(seconds)
  const parts = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}

/** 0.0861, 3.43, 1.2e-5: a loss, a norm, a rate. */
export function number(value: number, places = 4): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'not a number' : value > 0 ? '∞' : '−∞'
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size < 1e-3 || size >= 1e6) return trimExponent(value.toExponential(2))
  return size >= 1000 ? digits(value, 4) : value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : places)
}

/** 42 %, 0.4 % */
export const percent = (share: number): string => `${digits(share * 100, share < 0.1 ? 2 : 3)} %`

/** today 14:05, 3 Mar 14:05, 3 Mar 2025 */
export function moment(time: number | string, now = Date.now()): string {
  const date = new Date(time)
  if (Number.isNaN(date.getTime())) return '–'
  const today = new Date(now)
  const clock = date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })
  if (date.toDateString() === today.toDateString()) return `today ${clock}`
  const day = date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
  return date.getFullYear() === today.getFullYear() ? `${day} ${clock}` : `${day} ${date.getFullYear()}`
}

/** The last part of a path or Hub id. */
export const lastPart = (path: string): string => path.split(/[\\/]/).filter(Boolean).at(-1) ?? path

/** 1 step, 2 steps */
export const plural = (count: number, one: string, many = `${one}s`): string =>
  `${integer(count)} ${count === 1 ? one : many}`

/** At most that many significant digits, no trailing zeros after the point. */
function digits(value: number, count: number): string {
  const text = value.toPrecision(count)
  return text.includes('e') ? group.format(Number(text)) : text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

const trimExponent = (text: string): string => text.replace(/\.?0*e\+?/, 'e')
