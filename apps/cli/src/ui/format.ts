// Numbers as people read them.

/** `12,345` */
export const count = (n: number): string => n.toLocaleString('en-US')

/** `3 rows`, `1 row` */
export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`

/** `950`, `4.2k`, `1.3M` */
export function short(n: number): string {
  for (const [size, unit] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (n >= size) return `${(n / size).toFixed(n < 10 * size ? 1 : 0)}${unit}`
  }
  return n.toFixed(n < 10 && !Number.isInteger(n) ? 1 : 0)
}

/** `8.4 s`, `42 s`, `12:31`, `1:02:03` */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, String(whole % 60).padStart(2, '0')]
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`
}

/** `1.2 GB` */
export function bytes(n: number): string {
  for (const [size, unit] of [
    [1e9, 'GB'],
    [1e6, 'MB'],
    [1e3, 'kB'],
  ] as const)
    if (n >= size) return `${(n / size).toFixed(1)} ${unit}`
  return `${n} B`
}

/** A learning rate: `1.00e-4` */
export const rate = (n: number): string => (n === 0 ? '0' : n.toExponential(2))

export const percent = (share: number): string => `${(100 * share).toFixed(1)}%`

/** An argument as a shell takes it. */
export const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
