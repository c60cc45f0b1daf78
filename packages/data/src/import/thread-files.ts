// Threads in files: the IRC logs of Kummerfeld et al. (2019) with their links, and a plain JSON format.

import { describeValue } from '../errors'
import { asRecord, asText } from '../records/json'
import { itemsOf, valueOf } from '../records/records'
import { linesOf, type Imported, type InputFiles } from './imported'
import type { AskedPost } from './thread-links'

interface Post {
  readonly id: string
  /** Author included. */
  readonly text: string
}

export interface Thread {
  /** What refusals call the file. */
  readonly file: string
  readonly name: string
  readonly posts: readonly Post[]
  /** In the order of the posts. */
  readonly asked: readonly AskedPost[]
  /** Why nothing in it can be asked. */
  readonly broken?: string
}

const ANNOTATIONS = '.annotation.txt'

/** Files of a folder of IRC logs. */
export const isIrcFile = (path: string): boolean => /^[^/]*\.(annotation|ascii|raw)\.txt$/.test(path)

/** Logs with their annotations; messages are counted from 0. Lines that are no annotation are refused. */
export function readIrc(files: InputFiles, imported: Imported): Thread[] {
  const annotations = [...files.keys()].filter((path) => path.endsWith(ANNOTATIONS))
  return annotations.map((file) => {
    const name = file.slice(0, -ANNOTATIONS.length)
    const log = files.get(`${name}.ascii.txt`) ?? files.get(`${name}.raw.txt`)
    const posts = linesOf(log ?? '').map((text, i) => ({ id: String(i), text }))
    const links = new Map<number, { answers: string[]; row: number }>()
    linesOf(files.get(file)!).forEach((line, i) => {
      if (line.trim() === '') return
      const pair = /^(\d+)\s+(\d+)(\s+-)?\s*$/.exec(line)?.slice(1, 3).map(Number)
      if (pair === undefined) {
        imported.read++
        imported.refused.push({
          file,
          row: i + 1,
          reason: `broken annotation: got ${JSON.stringify(line)}; expected two message numbers and "-"`,
        })
        return
      }
      const [earlier, later] = [Math.min(pair[0]!, pair[1]!), Math.max(pair[0]!, pair[1]!)]
      const post = links.get(later) ?? { answers: [], row: i + 1 }
      links.set(later, post)
      // A link to itself says no more than that it starts a conversation.
      if (earlier !== later) post.answers.push(String(earlier))
    })
    const asked = [...links]
      .sort(([a], [b]) => a - b)
      .filter(([later]) => !posts[later]?.text.startsWith('==='))
      .map(([later, post]) => ({ id: String(later), ...post }))
    const broken = `missing log: there is no ${name}.ascii.txt or ${name}.raw.txt`
    return { file, name, posts, asked, ...(log === undefined ? { broken } : {}) }
  })
}

/** Threads of a JSON or JSONL text: `{"id"?, "posts": [{"id", "author"?, "text", "reply_to"?}]}`. */
export function readThreads(text: string, file: string): Thread[] {
  return [...itemsOf(text, file, { numbers: 'source' })].map((item, i) => {
    const { id, posts: entries } = asRecord(valueOf(item).value)
    const name = asText(id) ?? String(i + 1)
    if (!Array.isArray(entries) || entries.length === 0) {
      const broken = `broken thread: "posts": got ${describeValue(entries)}; expected an array of posts`
      return { file, name, posts: [], asked: [{ id: '', answers: [], row: i + 1 }], broken }
    }
    const posts: Post[] = []
    const places = new Map<string, number>()
    let broken: string | undefined
    const asked = entries.map((entry: unknown, at) => {
      const post = asRecord(entry)
      const key = idOf(post.id) ?? ''
      const replies: unknown[] = [post.reply_to ?? []].flat()
      const wrong = [
        ['id', post.id, idOf(post.id) !== undefined, 'an id without spaces'] as const,
        ['text', post.text, typeof post.text === 'string', 'text'] as const,
        ['author', post.author, typeof (post.author ?? '') === 'string', 'text'] as const,
        ['reply_to', post.reply_to, replies.every((reply) => idOf(reply) !== undefined), 'an id or several'] as const,
      ].find(([, , ok]) => !ok)
      if (wrong !== undefined)
        broken ??= `broken thread: "posts[${at}].${wrong[0]}": got ${describeValue(wrong[1])}; expected ${wrong[3]}`
      else if (places.has(key))
        broken ??= `duplicate post id: "${key}" stands at posts[${places.get(key)}] and posts[${at}]`
      places.set(key, at)
      posts.push({ id: key, text: [post.author ?? [], post.text].flat().join(': ') })
      return { id: key, answers: replies.map((reply) => idOf(reply) ?? ''), row: i + 1 }
    })
    return { file, name, posts, asked, ...(broken === undefined ? {} : { broken }) }
  })
}

/** Ids may be numbers; they are named in sentences. */
function idOf(value: unknown): string | undefined {
  const id = asText(value)
  return id !== undefined && /^\S+$/.test(id) ? id : undefined
}
