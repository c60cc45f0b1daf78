// The cache of replies on disk: lines that are added, so that a kill costs the one that was being written.

import { appendFile, mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { isRecord } from '../records/json'
import { readItems } from '../records/records'
import { readChunks } from '../rows/files'
import type { ReplyCache } from './cache'

/** Opens the replies of a file, which need not be there yet; broken lines are passed over. */
export async function openReplyCache(file: string): Promise<ReplyCache> {
  const replies = new Map<string, string>()
  try {
    for await (const item of readItems(readChunks(file), file)) {
      const row = 'value' in item ? item.value : undefined
      if (isRecord(row) && typeof row.key === 'string' && typeof row.reply === 'string') replies.set(row.key, row.reply)
    }
  } catch {
    // None yet, or one that cannot be read: it is written on.
  }
  await mkdir(dirname(file), { recursive: true })
  let writing: Promise<void> = Promise.resolve()
  // After a kill the last line may have no end.
  let start = '\n'
  return {
    get: (key) => replies.get(key),
    set(key, reply) {
      replies.set(key, reply)
      writing = writing.then(() => appendFile(file, `${start}${JSON.stringify({ key, reply })}\n`, { mode: 0o600 }))
      start = ''
      return writing
    },
  }
}
