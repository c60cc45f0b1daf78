// Names that come from users, repositories and index files, checked before they become paths or URLs.

import { HubError } from './error'

// The Hub's own rule: words of letters, digits, '-', '_', '.', at most 96 characters, not beginning or ending in '-' or '.'.
const word = /^(?![-.])[\w.-]{1,96}(?<![-.])$/

/** Whether `id` can be a Hub id: `org/name`, or `name` alone for the oldest models. */
export function isModelId(id: string): boolean {
  const words = id.split('/')
  return words.length <= 2 && words.every((part) => word.test(part)) && !id.includes('--') && !id.includes('..')
}

/** Whether the text means a path whatever is there: `./x`, `/x`, `~/x`, `C:\x`, `\\host\x`. */
export function isPath(text: string): boolean {
  return /^[./~\\]|^[a-zA-Z]:|[\\]|\/$/.test(text)
}

/**
 * Throws unless `name` is a file name safe to join to a folder on every system, whatever system this is: relative,
 * `/`-separated, with no `..`, drive, UNC prefix, backslash or control character.
 */
export function checkFileName(name: string, id: string, source: string): void {
  const parts = name.split('/')
  const safe = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\:\p{Cc}]/u.test(part))
  if (!safe) {
    throw new HubError(
      'InvalidName',
      id,
      `${source} names ${JSON.stringify(name)}, which could leave the model's folder`,
    )
  }
}

/** Throws unless `revision` is a branch, tag, `refs/pr/N` or commit that is safe under the cache's `refs` folder. */
export function checkRevision(revision: string, id: string): void {
  const parts = revision.split('/')
  if (!parts.every((part) => /^[\w.+@=-]+$/.test(part) && !/^\.|\.\.|\.lock$/.test(part))) {
    throw new HubError('InvalidName', id, `${JSON.stringify(revision)} is not a branch, tag or commit`)
  }
}

/** A commit's full hash, as snapshot folders are named. */
export const isCommit = (text: string): boolean => /^[0-9a-f]{40}$/.test(text)
