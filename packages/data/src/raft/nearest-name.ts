// The name that was meant, where another was written.

/** Most names that are compared letter by letter, over all look-ups: what comes later is only looked up. */
const mostCompared = 5_000_000

/** What is the same for names that differ in case, folders, extension and punctuation only. */
const plainName = (name: string): string =>
  name
    .toLowerCase()
    .replace(/^.*[/\\]/, '')
    .replace(/\.[a-z0-9]{1,5}$/, '')
    .replace(/[^\p{L}\p{N}]+/gu, '')

/** Finds the name among `names` most like another; undefined when none is near. */
export function nameFinder(names: readonly string[]): (name: string) => string | undefined {
  let known: Map<string, string> | undefined
  let compared = 0
  return (name) => {
    known ??= new Map(names.map((each) => [plainName(each), each] as const).reverse())
    if (plainName(name).length < 2) return undefined
    const exact = known.get(plainName(name))
    if (exact !== undefined) return exact
    if ((compared += names.length) > mostCompared) return undefined
    let [best, least]: [string | undefined, number] = [undefined, Math.ceil(plainName(name).length * 0.34) + 1]
    for (const [plain, each] of known) {
      const edits = distance(plainName(name), plain, least)
      if (edits < least) [best, least] = [each, edits]
    }
    return best
  }
}

/** Letters to change, add or drop; `limit` or more where it is no less. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + Number(a[i - 1] !== b[j - 1])))
    row = next
    if (row.every((edits) => edits >= limit)) return limit
  }
  return row.at(-1)!
}
