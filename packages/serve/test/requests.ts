// Requests to a server in a test, and what comes back.
import { expect } from 'vitest'
import { createServe, type RequestRecord, type ServeOptions } from '../src/index'
import { Speaker } from './speaker'

export type Body = Readonly<Record<string, unknown>>
type App = ReturnType<typeof createServe>

/** A server of one speaker under two names, and what it logs. */
export class Stage {
  readonly speaker = new Speaker()
  readonly records: RequestRecord[] = []

  serve(options: Partial<ServeOptions> = {}): App {
    return createServe({
      models: [
        { name: 'org/base', answerer: this.speaker },
        { name: 'tuned', answerer: this.speaker },
      ],
      onRequest: (record) => this.records.push(record),
      ...options,
    })
  }
}

export const post = (
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): RequestInit => ({
  method: 'POST',
  body: typeof body === 'string' ? body : JSON.stringify(body),
  headers: { host: '127.0.0.1:8000', 'content-type': 'application/json', ...headers },
  ...(signal && { signal }),
})

export const ask = (app: App, path: string, init?: RequestInit): Promise<Response> =>
  app.fetch(new Request(`http://127.0.0.1:8000${path}`, init ?? { headers: { host: '127.0.0.1:8000' } }))

export const chat = (body: Body = {}): Body => ({
  model: 'tuned',
  messages: [{ role: 'user', content: 'one two three' }],
  ...body,
})

export const tools = [
  { type: 'function', function: { name: 'weather', parameters: { type: 'object', properties: {} } } },
]

/** The chunks of a stream, `[DONE]` checked and left out. */
export async function chunksOf(response: Response): Promise<Body[]> {
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/)
  const events = (await response.text()).split('\n\n').filter(Boolean)
  expect(events.at(-1)).toBe('data: [DONE]')
  return events.slice(0, -1).map((event) => JSON.parse(event.replace(/^data: /, '')) as Body)
}
