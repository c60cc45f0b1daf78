// What the tests of security share.
import { mkdirSync, writeFileSync } from 'node:fs'
import { request, type IncomingHttpHeaders } from 'node:http'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { Space, type TestServer } from './harness'

export let space: Space
export let server: TestServer
export const limit = 2_000_000
/** What the tests of a file need, made before them and removed after; each file calls it, as hooks belong to a file. */
export function setUp(): void {
  space = new Space()
  beforeAll(async () => {
    const staticDir = join(space.dir, 'web')
    mkdirSync(join(staticDir, 'assets'), { recursive: true })
    writeFileSync(join(staticDir, 'index.html'), '<!doctype html><title>the page</title>')
    writeFileSync(join(staticDir, 'assets', 'page-1a2b.js'), 'export {}')
    writeFileSync(join(space.dir, 'secret.jsonl'), '{"instruction":"secret","output":"secret"}\n')
    server = await space.start({ staticDir, uploadLimitBytes: limit })
  })
  afterAll(() => space.remove())
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** A request with any headers, also those that fetch sets itself. */
export function send(
  path: string,
  options: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Answer> {
  const { method = 'GET', headers = {}, body } = options
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        agent: false,
        host: '127.0.0.1',
        port: server.gui.port,
        path,
        method,
        headers: { cookie: server.cookie, ...headers },
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (part: string) => (text += part))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
export const codeOf = ({ text }: Answer): string => (JSON.parse(text) as { error: { code: string } }).error.code
const json = { 'content-type': 'application/json' }
export const post = (path: string, value: unknown, headers: Record<string, string> = {}) =>
  send(path, {
    method: 'POST',
    headers: { ...json, ...headers },
    body: typeof value === 'string' ? value : JSON.stringify(value),
  })
