// What bad clients do to a server that listens: half requests, many sockets, large bodies, slow readers, readers that are
// killed, foreign names and pages. Others are answered all the while.
import { once } from 'node:events'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createServe, listen, type Listening } from '../src/index'
import { chat, type Body } from './requests'
import { Speaker } from './speaker'

let server: Listening
const speaker = new Speaker()
const sockets: Socket[] = []
beforeAll(async () => {
  const { fetch: handler } = createServe({
    models: [{ name: 'tuned', answerer: speaker }],
    mostRequests: 8,
    bodyLimitBytes: 32e6,
  })
  server = await listen(handler)
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  await server.close()
})
beforeEach(() => {
  speaker.pace = async () => {}
  speaker.left = 0
})

/** An ordinary client. */
async function said(body: Body = {}): Promise<string> {
  const response = await fetch(`${server.address}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(chat(body)),
  })
  const { choices } = (await response.json()) as { choices: { message: { content: string } }[] }
  return choices[0]!.message.content
}

async function opened(): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1').on('error', () => {})
  sockets.push(socket)
  await once(socket, 'connect')
  return socket
}

const head = (length: number, more = '') =>
  `POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`
const requestOf = (body: Body) => {
  const text = JSON.stringify(chat(body))
  return head(Buffer.byteLength(text)) + text
}

test('a thousand open sockets and half requests', async () => {
  const all = await Promise.all(Array.from({ length: 1000 }, opened))
  for (const [i, socket] of all.entries()) {
    if (i % 4 === 1) socket.write('POST /v1/chat/comp')
    if (i % 4 === 2) socket.write(head(50))
    if (i % 4 === 3) socket.write(`${head(50)}{"messages": [`)
  }
  // None of them has a place of the eight.
  expect(await Promise.all(Array.from({ length: 8 }, () => said()))).toEqual(
    Array.from({ length: 8 }, () => 'ONE TWO THREE'),
  )
  for (const socket of all) socket.destroy()
  expect(await said()).toBe('ONE TWO THREE')
}, 60_000)

test('clients that are killed, before their answer and within it, leave their places', async () => {
  let release!: () => void
  const held = new Promise<void>((resolve) => (release = resolve))
  speaker.pace = async (place) => (place === 0 ? undefined : held)
  const all = await Promise.all(Array.from({ length: 8 }, opened))
  for (const [i, socket] of all.entries()) socket.write(requestOf({ stream: i % 2 === 0 }))
  const figures = async () => (await fetch(`${server.address}/metrics`)).text()
  await expect.poll(figures, { timeout: 10_000 }).toContain('jora_requests_in_work 8')
  for (const socket of all) socket.resetAndDestroy()
  await expect.poll(() => speaker.left, { timeout: 10_000 }).toBe(8)
  release()
  expect(await said()).toBe('ONE TWO THREE')
})

test('a reader that takes nothing holds its own answer alone, and a bounded part of it', async () => {
  let made = 0
  speaker.pace = async () => void made++
  const slow = await opened()
  slow.pause()
  const words = Array.from({ length: 100 }, () => 'x'.repeat(300_000)).join(' ')
  slow.write(requestOf({ stream: true, messages: [{ role: 'user', content: words }] }))
  await expect.poll(() => made, { timeout: 10_000 }).toBeGreaterThan(1)
  // What is not read stays unsaid: 30 MB of words do not pile up.
  for (let i = 0; i < 5; i++) expect(await said()).toBe('ONE TWO THREE')
  expect(made - 5 * 3).toBeLessThan(100)
  slow.destroy()
})

test('bodies that are larger than the limit', async () => {
  const socket = await opened()
  socket.write(head(40e6))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 /)
  // Without a length it is counted as it comes.
  const status = await new Promise<number>((resolve, reject) => {
    const sent = request(`${server.address}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
    })
    sent.on('response', (response) => resolve(response.resume().statusCode!))
    sent.on('error', reject)
    let left = 40
    const more = () => {
      if (left-- > 0) sent.write('x'.repeat(1e6), more)
    }
    more()
  })
  expect(status).toBe(413)
  expect(await said()).toBe('ONE TWO THREE')
})

test('requests that are no HTTP, of foreign names, and of pages elsewhere', async () => {
  const answered = async (text: string): Promise<string> => {
    const socket = await opened()
    socket.write(text)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    return answer.toString().split('\r\n', 1)[0]!
  }
  const of = (host: string, more = '') => `GET /v1/models HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`
  const own = `127.0.0.1:${server.port}`
  expect(await answered('\x16\x03\x01 hello\r\n\r\n')).toContain('400')
  expect(await answered(`GET /v1/models HTTP/1.1\r\n\r\n`)).toContain('400')
  expect(await answered(of('evil.example'))).toContain('403')
  expect(await answered(of('127.0.0.1.evil.example'))).toContain('403')
  expect(await answered(of(own, 'Origin: http://evil.example\r\n'))).toContain('403')
  expect(await answered(of(own, 'Origin: null\r\n'))).toContain('403')
  expect(await answered(of(own, 'Sec-Fetch-Site: cross-site\r\n'))).toContain('403')
  expect(await answered(of(own, `X: ${'x'.repeat(100_000)}\r\n`))).toContain('431')
  expect(await answered(of(own))).toContain('200')
  // A form of another page cannot send JSON without asking first.
  expect(
    await answered(
      `POST /v1/chat/completions HTTP/1.1\r\nHost: ${own}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}`,
    ),
  ).toContain('415')
})
