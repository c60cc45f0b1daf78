// What can be wrong with reply links.

/** A post that is asked about, and the ids of those it answers; none when it starts a conversation. */
export interface AskedPost {
  readonly id: string
  readonly answers: readonly string[]
  /** Its place in the file, see `Refusal.row`. */
  readonly row: number
}

/** Posts on a circle of links, each with the circle: `#1 → #3 → #1`. */
export function findCycles(posts: readonly AskedPost[]): ReadonlyMap<string, string> {
  const links = new Map(posts.map(({ id, answers }) => [id, answers]))
  const [found, done] = [new Map<string, string>(), new Set<string>()]
  for (const root of links.keys()) {
    if (done.has(root)) continue
    // Depth first, without recursion: threads are long.
    const path = [{ id: root, next: 0 }]
    const placeOnPath = new Map([[root, 0]])
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const target = links.get(top.id)?.[top.next++]
      if (target === undefined) {
        path.pop()
        placeOnPath.delete(top.id)
        done.add(top.id)
        continue
      }
      const start = placeOnPath.get(target)
      if (start !== undefined) {
        const ids = path.slice(start).map(({ id }) => id)
        const named = [...(ids.length > 12 ? [...ids.slice(0, 12), '…'] : ids), target]
        const circle = named.map((id) => (id === '…' ? id : `#${id}`)).join(' → ')
        for (const id of ids) if (!found.has(id)) found.set(id, circle)
      } else if (!done.has(target)) {
        placeOnPath.set(target, path.length)
        path.push({ id: target, next: 0 })
      }
    }
  }
  return found
}

/**
 * Why a post's links cannot be asked about, or nothing.
 *
 * @param places of the posts of its thread, from 0
 * @param window how many posts before it a post may answer
 */
export function linkProblem(
  { id, answers }: AskedPost,
  places: ReadonlyMap<string, number>,
  cycles: ReadonlyMap<string, string>,
  window: number,
): string | undefined {
  const place = places.get(id)
  if (place === undefined) return `dangling link: #${id} is not a post of the thread`
  const cycle = cycles.get(id)
  if (cycle !== undefined) return `cycle: ${cycle}`
  const dangling = answers.find((target) => !places.has(target))
  if (dangling !== undefined) return `dangling link: answers #${dangling}, which is not a post of the thread`
  const later = answers.find((target) => places.get(target)! >= place)
  if (later !== undefined) return `link to a later post: #${id} answers #${later}`
  const latest = answers.toSorted((a, b) => places.get(b)! - places.get(a)!)[0]
  if (latest === undefined || place - places.get(latest)! <= window) return undefined
  return `beyond the window: answers #${latest}, ${place - places.get(latest)!} posts back; expected at most ${window}`
}
