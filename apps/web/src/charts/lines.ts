// What a chart shows: lines over one ascending axis of steps.

export type Colour = 1 | 2 | 3 | 4 | 5 | 6

export interface Line {
  readonly label: string
  readonly colour: Colour
  /** One value for each x; null where this line has none. */
  readonly values: readonly (number | null)[]
  /** Few points far apart: drawn with dots, dashed and joined over the gaps. */
  readonly sparse?: boolean
  /** How its values are told; default: as a number. */
  readonly format?: (value: number) => string
}

/** The line's value at an index, or the last one before it for a sparse line, whose points are few. */
export function valueAt({ values, sparse = false }: Line, index: number): number | null {
  for (let i = index; i >= 0; i--) {
    const value = values[i]
    if (value !== null && value !== undefined) return value
    if (!sparse) return null
  }
  return null
}

/** The line's last value, wherever it ends. */
export const lastOf = ({ values }: Pick<Line, 'values'>): number | null =>
  values.findLast((value) => value !== null) ?? null

/** Curves of several runs on one axis: the union of their steps, holes where a run has none. */
export function align(curves: readonly { readonly x: readonly number[]; readonly y: readonly (number | null)[] }[]): {
  readonly x: readonly number[]
  readonly ys: readonly (readonly (number | null)[])[]
} {
  const x = [...new Set(curves.flatMap((curve) => [...curve.x]))].sort((a, b) => a - b)
  const place = new Map(x.map((step, i) => [step, i]))
  const ys = curves.map((curve) => {
    const y: (number | null)[] = Array.from({ length: x.length }, () => null)
    curve.x.forEach((step, i) => (y[place.get(step)!] = curve.y[i] ?? null))
    return y
  })
  return { x, ys }
}
