// The lines of a page in the order that it is read: columns one after the other, whatever order they were drawn in.

/** A run of text as pdf.js gives it, in points from the lower left corner. */
export interface Run {
  text: string
  x: number
  /** Of the baseline. */
  y: number
  width: number
  /** Size of its letters. */
  size: number
  /** Whether its letters are all as wide, as those of code. */
  fixed: boolean
}

/** Runs on one baseline without a wide gap between them. */
export interface Line {
  text: string
  left: number
  right: number
  y: number
  size: number
  /** Whether all its letters are as wide as one another. */
  fixed: boolean
  /** Where a gap as wide as between columns of a table parts it: the texts. */
  cells: readonly string[]
}

interface Segment {
  runs: Run[]
  left: number
  right: number
  y: number
  size: number
}

/** A gap as wide as this many letters parts cells of a table, or columns of a page. */
const WIDE_GAP = 1.3
/** A gap between words, as a share of the letters' size. */
const WORD_GAP = 0.15
/** Columns of prose have so many letters a line at the least; those of tables fewer. */
const PROSE = 18
const LEAST_COLUMN_LINES = 5
/** Columns of short lines have so many, and share so few of their baselines, in points. */
const LEAST_APART_LINES = 15
const MOST_SHARED = 0.4
const SAME_BASELINE = 0.5

/** The lines of a page, in reading order. */
export function linesOf(runs: readonly Run[]): Line[] {
  return inColumns(segmentsOf(runs.filter(({ text }) => text.trim() !== '')))
}

/** Runs on one baseline, parted at wide gaps; from top to bottom and left to right. */
function segmentsOf(runs: readonly Run[]): Segment[] {
  const rows: Run[][] = []
  for (const run of runs.toSorted((a, b) => b.y - a.y || a.x - b.x)) {
    const row = rows.findLast(
      ([first], i) => i >= rows.length - 3 && Math.abs(first!.y - run.y) < 0.45 * Math.min(first!.size, run.size),
    )
    // Marks that are higher, as of footnotes, belong to the line they lean on.
    const above = row ?? rows.findLast((each, i) => i >= rows.length - 3 && leansOn(run, each))
    if (above) above.push(run)
    else rows.push([run])
  }
  const segments: Segment[] = []
  for (const row of rows) {
    row.sort((a, b) => a.x - b.x)
    let open: Segment | undefined
    for (const run of row) {
      const right = run.x + run.width
      if (open !== undefined && run.x - open.right < WIDE_GAP * Math.max(open.size, run.size)) {
        open.runs.push(run)
        open.right = Math.max(open.right, right)
        if (run.text.trim().length > 2) open.size = Math.max(open.size, run.size)
      } else {
        open = { runs: [run], left: run.x, right, y: run.y, size: run.size }
        segments.push(open)
      }
    }
  }
  return segments
}

const leansOn = (run: Run, row: readonly Run[]): boolean =>
  row.some(
    (each) =>
      run.size < 0.85 * each.size &&
      Math.abs(each.y - run.y) < 0.7 * each.size &&
      Math.abs(run.x - (each.x + each.width)) < each.size,
  )

/** Segments of two columns of prose one column after the other, between what runs across both; else as lines. */
function inColumns(segments: readonly Segment[]): Line[] {
  const gutter = gutterOf(segments)
  if (gutter === undefined) return joined(segments)
  const lines: Line[] = []
  let band: Segment[] = []
  const endBand = () => {
    const [left, right] = [band.filter((each) => each.right <= gutter), band.filter((each) => each.left >= gutter)]
    if (Math.min(left.length, right.length) < 2) lines.push(...joined(band))
    else lines.push(...inColumns(left), ...inColumns(right))
    band = []
  }
  for (const segment of segments) {
    if (segment.left < gutter && segment.right > gutter) {
      endBand()
      lines.push(...joined([segment]))
    } else band.push(segment)
  }
  endBand()
  return lines
}

/** Where a page is parted into columns: what few lines cross, with columns of their own on both sides of it. */
function gutterOf(segments: readonly Segment[]): number | undefined {
  if (segments.length < 2 * LEAST_COLUMN_LINES) return undefined
  const [left, right] = [
    Math.min(...segments.map((each) => each.left)),
    Math.max(...segments.map((each) => each.right)),
  ]
  const places = new Set(segments.map((each) => Math.round(each.left) - 1))
  for (const { score: scoreOf, mostCrossing } of columnKinds) {
    let best: { at: number; score: number } | undefined
    for (const x of places) {
      if (x < left + 0.2 * (right - left) || x > left + 0.8 * (right - left)) continue
      const [before, after] = [segments.filter((each) => each.right <= x), segments.filter((each) => each.left >= x)]
      const crossing = segments.length - before.length - after.length
      if (crossing > mostCrossing * segments.length) continue
      const score = scoreOf(before, after) - crossing
      if (score > (best?.score ?? -Infinity)) best = { at: x, score }
    }
    if (best !== undefined) return best.at
  }
  return undefined
}

interface ColumnKind {
  /** How well a place parts columns, by what is on both sides of it; −∞ where these are cells of one table. */
  readonly score: (before: readonly Segment[], after: readonly Segment[]) => number
  /** Share of the lines that may run across. */
  readonly mostCrossing: number
}

/** How columns of a page are told from those of a table, the surest first. */
const columnKinds: readonly ColumnKind[] = [
  {
    score: (before, after) => (isProse(before) && isProse(after) ? Math.min(before.length, after.length) : -Infinity),
    mostCrossing: 0.3,
  },
  { score: apart, mostCrossing: 0.05 },
]

/** Columns of short lines, as cards of commands have them: rows of a table share their baselines, these hardly any. */
function apart(before: readonly Segment[], after: readonly Segment[]): number {
  const [fewer, more] = before.length < after.length ? [before, after] : [after, before]
  if (fewer.length < LEAST_APART_LINES) return -Infinity
  const baselines = more.map(({ y }) => y)
  const shared = fewer.filter(({ y }) => baselines.some((other) => Math.abs(other - y) < SAME_BASELINE)).length
  // Between the cells of a column there are as many baselines that both sides share.
  return shared < MOST_SHARED * fewer.length ? fewer.length - shared / MOST_SHARED : -Infinity
}

function isProse(segments: readonly Segment[]): boolean {
  if (segments.length < LEAST_COLUMN_LINES) return false
  const letters = segments.reduce((n, { runs }) => n + runs.reduce((m, { text }) => m + text.length, 0), 0)
  return letters / segments.length >= PROSE
}

/** Segments on one baseline as one line. */
function joined(segments: readonly Segment[]): Line[] {
  const lines: Line[] = []
  let row: Segment[] = []
  const end = () => {
    if (row.length === 0) return
    row.sort((a, b) => a.left - b.left)
    const cells = row.map(textOf).filter((text) => text !== '')
    const size = row.reduce((most, each) => Math.max(most, each.size), 0)
    const fixed = row.every(({ runs }) => runs.every((run) => run.fixed))
    const right = Math.max(...row.map((each) => each.right))
    if (cells.length > 0)
      lines.push({ text: cells.join('  '), cells, left: row[0]!.left, right, y: row[0]!.y, size, fixed })
    row = []
  }
  for (const segment of segments) {
    if (row.length > 0 && Math.abs(row[0]!.y - segment.y) >= 0.45 * Math.min(row[0]!.size, segment.size)) end()
    row.push(segment)
  }
  end()
  return lines
}

function textOf({ runs }: Segment): string {
  let text = ''
  let right = -Infinity
  for (const run of runs) {
    const gap = run.x - right
    if (text !== '' && gap > WORD_GAP * run.size && !/\s$/.test(text) && !/^\s/.test(run.text)) text += ' '
    text += run.text
    right = run.x + run.width
  }
  return text.replace(/\s+/g, ' ').trim()
}
