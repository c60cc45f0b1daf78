// The client is for pages: nothing of Node, no schemas; and streams that go on where they broke.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { JoraClient, type StreamStatus } from './client'

test('imports its own files, and of the API only types', () => {
  const files = ['client.ts', ...readdirSync(join(import.meta.dirname, 'client')).map((name) => `client/${name}`)]
  for (const file of files) {
    const text = readFileSync(join(import.meta.dirname, file), 'utf8')
    const imports = [...text.matchAll(/^(?:import|export) (type )?[^'"]*?from '([^']+)'/gms)]
    for (const [, type, from] of imports) {
      expect([file, from]).toEqual([file, expect.stringMatching(/^\.{1,2}\//)])
      if (from!.endsWith('/api')) expect([file, type]).toEqual([file, 'type '])
    }
    expect(text).not.toMatch(/\b(process|Buffer|require)\b[.(]/)
  }
})

/** A server in a function: each answer, in order. */
function answering(...answers: (() => Response)[]) {
  const asked: string[] = []
  const send = (async (input: string | URL | Request) => {
    asked.push(input instanceof Request ? input.url : String(input))
    const answer = answers.shift()
    if (!answer) throw new TypeError('fetch failed')
    return answer()
  }) as typeof fetch
  return { asked, client: new JoraClient({ baseUrl: 'http://here/', fetch: send }) }
}

const stream =
  (...chunks: string[]) =>
  () =>
    new Response(
      new ReadableStream<Uint8Array>({
        start(controller) {
          for (const chunk of chunks) controller.enqueue(new TextEncoder().encode(chunk))
          controller.close()
        },
      }),
    )

test('a stream goes on behind its last event, however its bytes were cut, and ends where it is refused', async () => {
  const { asked, client } = answering(
    stream(
      'retry: 1000\n\n: still here\n\nid: 1-a\nevent: met',
      'ric\ndata: {"position":0,"metric":{}}\n',
      '\nid: 2-b\nevent: metric\nda',
    ),
    () => Response.json({ error: { code: 'too_many', message: 'wait' } }, { status: 503 }),
    stream('event: metric\nid: 2-b\ndata: {"position":1,"metric":{}}\n\n'),
    () => Response.json({ error: { code: 'unauthenticated', message: 'sign in' } }, { status: 401 }),
  )
  const positions: number[] = []
  const statuses: [StreamStatus, string | undefined][] = []
  await new Promise<void>((resolve) => {
    client.followRun('a b', {
      onEvent: (event) => positions.push(event.event === 'metric' ? event.position : -1),
      onStatus: (status, error) => {
        statuses.push([status, error?.code])
        if (status === 'ended') resolve()
      },
    })
  })
  expect(positions).toEqual([0, 1])
  expect(asked).toEqual(
    ['', '?from=1-a', '?from=1-a', '?from=2-b'].map((query) => `http://here/api/runs/a%20b/events${query}`),
  )
  expect(statuses).toEqual([
    ['open', undefined],
    ['waiting', undefined],
    ['waiting', 'too_many'],
    ['open', undefined],
    ['waiting', undefined],
    ['ended', 'unauthenticated'],
  ])
})

test('errors are those of the server, or say that there is none', async () => {
  const { client } = answering(
    () =>
      Response.json(
        { error: { code: 'bad_request', message: 'no', issues: [{ path: 'a', message: 'b' }] } },
        { status: 400 },
      ),
    () => new Response('<html>', { status: 502 }),
  )
  const failure = async (): Promise<unknown> => {
    try {
      return await client.session()
    } catch (error) {
      return error
    }
  }
  expect(await failure()).toMatchObject({ code: 'bad_request', status: 400, issues: [{ path: 'a', message: 'b' }] })
  expect(await failure()).toMatchObject({ code: 'unreachable', status: 502 })
  expect(await failure()).toMatchObject({ code: 'unreachable', message: expect.stringContaining('jora gui') })
})
