// Memory planning: places values that live for a stretch of a program in one arena, so that what never lives together shares bytes.

/** A value to place: its size and the first and last step at which it must exist. */
export interface Lifetime {
  readonly bytes: number
  readonly first: number
  readonly last: number
}

/** Where values are in one arena. */
export interface MemoryPlan {
  /** Where each value begins: which page, and the byte in it. */
  readonly places: readonly { readonly page: number; readonly offset: number }[]
  /** Bytes of each page. */
  readonly pageBytes: readonly number[]
  /** Bytes all values would take side by side: what reuse saves is the difference. */
  readonly unsharedBytes: number
}

const aligned = (bytes: number, alignment: number): number => Math.ceil(bytes / alignment) * alignment

/**
 * Places the largest values first, each at the lowest offset where no value that lives at the same time is (greedy by
 * size; Pisarchyk & Lee 2020). A page never grows past `maxPageBytes`.
 */
export function planMemory(
  values: readonly Lifetime[],
  { alignment, maxPageBytes }: { alignment: number; maxPageBytes: number },
): MemoryPlan {
  const places: { page: number; offset: number }[] = []
  const pages: { index: number; offset: number; end: number; first: number; last: number }[][] = []
  const pageBytes: number[] = []
  const order = values.map((_, i) => i).sort((a, b) => values[b]!.bytes - values[a]!.bytes || a - b)
  for (const i of order) {
    const { first, last } = values[i]!
    const bytes = aligned(Math.max(1, values[i]!.bytes), alignment)
    for (let page = 0; ; page++) {
      const placed = (pages[page] ??= [])
      let offset = 0
      let at = 0
      // Neighbours by offset: the first gap that is wide enough takes it.
      for (; at < placed.length; at++) {
        const other = placed[at]!
        if (other.last < first || other.first > last) continue
        if (other.offset >= offset + bytes) break
        offset = Math.max(offset, other.end)
      }
      if (offset + bytes > maxPageBytes && placed.length > 0) continue
      const entry = { index: i, offset, end: offset + bytes, first, last }
      let slot = placed.findIndex((p) => p.offset > offset)
      if (slot < 0) slot = placed.length
      placed.splice(slot, 0, entry)
      pageBytes[page] = Math.max(pageBytes[page] ?? 0, entry.end)
      places[i] = { page, offset }
      break
    }
  }
  return { places, pageBytes, unsharedBytes: values.reduce((n, v) => n + aligned(v.bytes, alignment), 0) }
}
