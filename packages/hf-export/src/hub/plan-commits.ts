// How a push is cut into commits: weights first, so that a repository does not look complete before it is.
import { isWeights } from './select-files'

/**
 * All in one commit where that is at most `maxBytes`. Else weights in groups of that size (a larger file has one of its
 * own), then config, README and the rest.
 */
export function planCommits<T extends { readonly name: string; readonly bytes: number }>(
  files: readonly T[],
  maxBytes: number,
): T[][] {
  if (files.reduce((n, { bytes }) => n + bytes, 0) <= maxBytes) return files.length === 0 ? [] : [[...files]]
  const groups: T[][] = [[]]
  let bytes = 0
  for (const file of files.filter(({ name }) => isWeights(name))) {
    if (bytes > 0 && bytes + file.bytes > maxBytes) {
      groups.push([])
      bytes = 0
    }
    groups.at(-1)!.push(file)
    bytes += file.bytes
  }
  return [...groups, files.filter(({ name }) => !isWeights(name))].filter((group) => group.length > 0)
}
