// Conversations, as chat APIs and as ShareGPT write them, checked: every key of a message is used or refused.

import { DatasetError, describeValue, type RowOrigin } from '../errors'
import { arrayAt, noteUnused, optionalString, type CheckOptions } from './fields'
import { asArray, isRecord, type JsonRecord } from '../records/json'
import { chatRoles, type ChatMessage, type ChatRole, type ChatRow } from './row-formats'

/** Names of speakers in ShareGPT files. */
const shareGptRoles: Readonly<Record<string, ChatRole>> = {
  human: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  bard: 'assistant',
  bing: 'assistant',
  function_response: 'tool',
  observation: 'tool',
}

/** How messages are written under each key; some ShareGPT files use the newer names. */
const spellings = {
  messages: { names: ['role', 'content'], roles: chatRoles },
  conversations: { names: ['from', 'value'], roles: [...chatRoles, ...Object.keys(shareGptRoles)] },
} as const

/**
 * Checks a conversation. `system` beside it is its first message, `tools` go to the chat template.
 *
 * @throws DatasetError naming row and key
 */
export function checkChat(
  key: 'messages' | 'conversations',
  row: JsonRecord,
  origin: RowOrigin,
  options: CheckOptions,
): ChatRow {
  const messages = arrayAt(row, key, origin).map((entry, i) => checkMessage(entry, key, i, origin, options))
  if (!messages.some(({ role }) => role === 'assistant'))
    throw new DatasetError({ ...origin, key, problem: 'nothing is learned; expected at least one assistant message' })
  if (!messages.some(({ role, weight }) => role === 'assistant' && weight === undefined))
    throw new DatasetError({
      ...origin,
      key,
      problem: 'nothing is learned; expected an assistant message without "weight": 0 or "train": false',
    })
  const system = optionalString(row, 'system', origin) ?? ''
  const [first] = messages
  if (system !== '' && first?.role === 'system' && first.content !== system)
    throw new DatasetError({ ...origin, key: 'system', problem: `is a second system message, beside "${key}"` })
  const whole: ChatMessage[] =
    system === '' || first?.role === 'system' ? messages : [{ role: 'system', content: system }, ...messages]
  const tools = toolsOf(row, origin)
  return tools === undefined ? { messages: whole, origin } : { messages: whole, tools, origin }
}

const messageKeys = ['weight', 'train', 'training', 'tool_calls', 'tool_call_id', 'name', 'reasoning_content']

/** What says which words of a message are learned, or calls a function in the way of old: nothing of it would be heeded. */
const refusedKeys = ['train_detail', 'training_detail', 'function_call', 'images', 'audio']

function checkMessage(
  entry: unknown,
  list: 'messages' | 'conversations',
  i: number,
  origin: RowOrigin,
  options: CheckOptions,
): ChatMessage {
  const at = `${list}[${i}]`
  if (!isRecord(entry))
    throw new DatasetError({ ...origin, key: at, problem: `got ${describeValue(entry)}; expected an object` })
  const { names, roles } = spellings[list]
  const [roleKey, textKey] = names[0] in entry ? names : spellings.messages.names
  const name = entry[roleKey]
  const role = typeof name === 'string' ? (chatRoles.find((known) => known === name) ?? shareGptRoles[name]) : undefined
  if (role === undefined) {
    const problem = `got ${describeValue(name)}; expected ${roles.join(', ')}`
    throw new DatasetError({ ...origin, key: `${at}.${roleKey}`, problem })
  }
  for (const key of refusedKeys) {
    if (isEmpty(entry[key])) continue
    throw new DatasetError({
      ...origin,
      key: `${at}.${key}`,
      problem: 'is not supported; expected a message without it',
    })
  }
  noteUnused(entry, [roleKey, textKey, ...messageKeys], options, `${list}[].`)
  const calls = recordsAt(entry, 'tool_calls', origin, at)
  // A message that calls tools may say nothing.
  const text = calls !== undefined && isEmpty(entry[textKey]) ? '' : entry[textKey]
  const message: ChatMessage = { role, content: messageText(text, `${at}.${textKey}`, origin) }
  if (!isLearned(entry, role, at, origin)) message.weight = 0
  if (calls !== undefined) message.tool_calls = calls
  for (const key of ['tool_call_id', 'name', 'reasoning_content'] as const) {
    const value = optionalString(entry, key, origin, at)
    if (value !== undefined) message[key] = value
  }
  return message
}

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || (Array.isArray(value) && value.length === 0)

/** What OpenAI (`weight`) and Axolotl (`train`, `training`) say of a message. Only what assistants say can be learned. */
function isLearned(entry: JsonRecord, role: ChatRole, at: string, origin: RowOrigin): boolean {
  let learned = true
  for (const key of ['weight', 'train', 'training'] as const) {
    const value = entry[key]
    if (value === undefined || value === null) continue
    const [yes, no] = key === 'weight' ? [1, 0] : [true, false]
    if (value !== yes && value !== no) {
      const problem = `got ${describeValue(value)}; expected ${String(no)} or ${String(yes)}`
      throw new DatasetError({ ...origin, key: `${at}.${key}`, problem })
    }
    if (value === yes && role !== 'assistant') {
      const problem = `asks to learn what the ${role} says; only what an assistant says is learned`
      throw new DatasetError({ ...origin, key: `${at}.${key}`, problem })
    }
    if (value === no) learned = false
  }
  return learned || role !== 'assistant'
}

/** Text, or the text parts of a list as chat APIs write it. */
function messageText(value: unknown, key: string, origin: RowOrigin): string {
  if (typeof value === 'string') return value
  const parts = asArray(value)
  const texts = parts.map((part) => (isRecord(part) && part.type === 'text' ? part.text : undefined))
  if (parts.length > 0 && texts.every((text) => typeof text === 'string')) return texts.join('')
  throw new DatasetError({ ...origin, key, problem: `got ${describeValue(value)}; expected text` })
}

/** Tools of a row; some files keep them as JSON in a text. */
function toolsOf(row: JsonRecord, origin: RowOrigin): readonly JsonRecord[] | undefined {
  const { tools } = row
  if (typeof tools !== 'string' || tools.trim() === '') return recordsAt(row, 'tools', origin)
  let parsed: unknown
  try {
    parsed = JSON.parse(tools)
  } catch {
    throw new DatasetError({
      ...origin,
      key: 'tools',
      problem: 'is a text that is not JSON; expected an array of tools',
    })
  }
  return recordsAt({ tools: parsed }, 'tools', origin)
}

/** Undefined where there are none. */
function recordsAt(row: JsonRecord, key: string, origin: RowOrigin, path?: string): readonly JsonRecord[] | undefined {
  if (isEmpty(row[key])) return undefined
  const list = arrayAt(row, key, origin, 'an array of objects', path)
  const wrong = list.find((entry) => !isRecord(entry))
  if (wrong === undefined) return list as JsonRecord[]
  const problem = `got ${describeValue(wrong)}; expected an array of objects`
  throw new DatasetError({ ...origin, key: path === undefined ? key : `${path}.${key}`, problem })
}
