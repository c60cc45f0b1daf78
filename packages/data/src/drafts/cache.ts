// Replies that were paid for: kept by what was asked.

import type { ChatMessage } from '../rows/row-formats'

/** Keeps replies; nothing of it holds a key. */
export interface ReplyCache {
  get(key: string): string | undefined
  set(key: string, reply: string): Promise<void>
}

/** What a reply is kept under: SHA-256 of all that decides it. */
export async function cacheKey(
  model: string,
  messages: readonly ChatMessage[],
  settings: Readonly<Record<string, unknown>>,
): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify([model, messages, settings]))
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Replies of this process. */
export function memoryCache(): ReplyCache {
  const replies = new Map<string, string>()
  return {
    get: (key) => replies.get(key),
    set: async (key, reply) => void replies.set(key, reply),
  }
}
