// "Did you mean …?": the known name nearest to what was typed.

/** Insertions, deletions, substitutions and swaps of neighbours between two words. */
function distance(a: string, b: string): number {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row[j] = Math.min(
        row[j - 1]! + 1,
        rows[i - 1]![j]! + 1,
        rows[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1),
        swapped ? rows[i - 2]![j - 2]! + 1 : Infinity,
      )
    }
    rows.push(row)
  }
  return rows[a.length]![b.length]!
}

/** The nearest of `known` when it is near enough to be meant. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.replace(/[-_]/g, '').toLowerCase()
  const [best] = known
    .map((name) => ({ name, away: distance(plain(word), plain(name)) }))
    .sort((a, b) => a.away - b.away || a.name.length - b.name.length)
  return best && best.away <= Math.max(2, Math.floor(best.name.length * 0.4)) ? best.name : undefined
}
