// Events by HTTP: what a server gets that answers, fails, hangs, cuts connections, or is not there.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { JoraConfig } from '../src/index'
import { HttpLog, type HttpLogOptions } from '../src/logs/http-log'

let folder: string
let close: (() => Promise<void>) | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'jora-http-'))
  writeFileSync(join(folder, 'run.json'), JSON.stringify({ settings: { loraR: 4 }, totalSteps: 3 }))
})
afterEach(async () => {
  await close?.()
  close = undefined
  rmSync(folder, { recursive: true })
})

type Line = { readonly type: string; readonly number: number; readonly step?: number }

/** A server that answers request by request as `behave` does, and keeps the lines of those it took. */
async function serve(behave: (request: number, response: ServerResponse) => boolean) {
  const lines: Line[] = []
  const heads: IncomingMessage['headers'][] = []
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (part: Buffer) => (body += part.toString()))
    request.on('end', () => {
      heads.push(request.headers)
      if (!behave(heads.length, response)) return
      lines.push(
        ...body
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as Line),
      )
      response.end('ok')
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  close = () =>
    new Promise((done) => {
      server.closeAllConnections()
      server.close(() => done())
    })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/runs`, lines, heads }
}

const checkpoint = (step: number) => ({ type: 'checkpoint', step, path: `step-${step}` }) as const

/** Three events through a log, and what was told. */
async function send(url: string, options: HttpLogOptions = {}): Promise<string[]> {
  const notes: string[] = []
  // A busy machine may take its time over a reply.
  const quick = { timeoutMs: 5000, backoffMs: 1, closingMs: 5000 }
  const log = await HttpLog.open(folder, url, 0, { ...quick, onNote: (text) => notes.push(text), ...options })
  for (const step of [1, 2, 3]) log.append(checkpoint(step))
  await log.close()
  return notes
}

test('lines come in order, with the settings first and the token', async () => {
  const { url, lines, heads } = await serve(() => true)
  expect(await send(url, { token: 'secret' })).toEqual([])
  expect(lines.map(({ type, number, step }) => [type, number, step])).toEqual([
    ['begin', 0, undefined],
    ...[1, 2, 3].map((step) => ['checkpoint', step, step]),
  ])
  expect(lines[0]).toMatchObject({ settings: { loraR: 4 }, totalSteps: 3 })
  expect(heads[0]).toMatchObject({ authorization: 'Bearer secret', 'content-type': 'application/x-ndjson' })
})

test.each<[string, (response: ServerResponse) => void]>([
  ['fails', (response) => void response.writeHead(500).end()],
  ['hangs', () => {}],
  ['cuts the connection', (response) => void response.destroy()],
])('a server that %s at first gets every line once', async (_what, fail) => {
  const { url, lines } = await serve((request, response) => {
    if (request <= 2) fail(response)
    return request > 2
  })
  const notes = await send(url, { timeoutMs: 300 })
  expect(lines.map(({ number }) => number)).toEqual([0, 1, 2, 3])
  expect(notes).toHaveLength(1)
  expect(notes[0]).toContain('the run goes on')
})

test('what a server refuses is left out, and told', async () => {
  const { url, heads } = await serve((_, response) => {
    response.writeHead(401).end()
    return false
  })
  const notes = await send(url)
  expect(heads.length).toBeLessThanOrEqual(4)
  expect(notes[0]).toContain('HTTP 401')
  expect(notes.at(-1)).toContain('did not get 4 of the 4 events')
})

test('a server that never answers, or is not there, does not hold the end up', async () => {
  const { url } = await serve(() => false)
  expect((await send(url, { closingMs: 150 })).at(-1)).toContain('did not get 4 of the 4')
  await close!()
  close = undefined
  expect((await send(url, { closingMs: 50 })).at(-1)).toContain('did not get 4 of the 4')
})

test('an address without the tracker, a tracker without it, and a password in it are refused', () => {
  const of = (change: object) => () => new JoraConfig({ modelPath: 'm', ...change })
  expect(of({ reportUrl: 'http://x/y' })).toThrow('reportUrl is http://x/y beside reportTo')
  expect(of({ reportTo: ['http'] })).toThrow('expected reportUrl beside it')
  expect(of({ reportTo: ['http'], reportUrl: 'http://me:pw@x' })).toThrow('without a password')
  expect(of({ reportTo: ['http'], reportUrl: 'https://x/y' })).not.toThrow()
})
