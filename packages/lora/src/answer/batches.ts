// Which questions are answered together: those of similar length, and those on one context.
import type { AskedIds } from '@jora/data'

/** Questions by their place; those of a group share a context, a single one is a prompt like any other. */
export interface AskedBatch {
  readonly shared: boolean
  readonly groups: readonly (readonly number[])[]
}

const lengthOf = ({ context, contextLength = context.length, prompt }: AskedIds): number =>
  contextLength + prompt.length

/** Runs of groups with up to `size` questions, of similar length; those with shared contexts apart from the others. */
export function batchesOf(asked: readonly AskedIds[], size: number): AskedBatch[] {
  const byContext = new Map<readonly number[] | AskedIds, number[]>()
  asked.forEach((ids, index) => {
    const key = ids.context.length > 0 ? ids.context : ids
    const group = byContext.get(key)
    if (group) group.push(index)
    else byContext.set(key, [index])
  })
  const groups = [...byContext.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / size) }, (_, i) => group.slice(i * size, (i + 1) * size)),
  )
  const batches: AskedBatch[] = []
  for (const shared of [true, false]) {
    const list = groups.filter((group) => group.length > 1 === shared)
    list.sort((a, b) => lengthOf(asked[a[0]!]!) - lengthOf(asked[b[0]!]!))
    let open: number[][] = []
    for (const group of list) {
      if (open.length > 0 && open.flat().length + group.length > size) {
        batches.push({ shared, groups: open })
        open = []
      }
      open.push(group)
    }
    if (open.length > 0) batches.push({ shared, groups: open })
  }
  return batches
}
