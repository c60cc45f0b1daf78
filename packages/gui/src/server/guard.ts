// What every request must pass: a host we are, an origin that is ours, headers that keep pages in their place.
import { hostname, networkInterfaces } from 'node:os'
import type { MiddlewareHandler } from 'hono'
import { Failure } from './failure'

/** Nothing of another server, no inline script, no frame around the page. */
const headers: Readonly<Record<string, string>> = {
  'content-security-policy':
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
}

export const withHeaders: MiddlewareHandler = async (c, next) => {
  await next()
  for (const [name, value] of Object.entries(headers)) c.res.headers.set(name, value)
  if (!c.res.headers.has('cache-control')) c.res.headers.set('cache-control', 'no-store')
}

const loopback = new Set(['127.0.0.1', 'localhost', '::1'])
export const isLoopback = (host: string): boolean => loopback.has(host)

/** The name in a Host header, without its port: `[::1]:80` is `::1`. */
const nameOf = (host: string): string =>
  host
    .replace(/:\d+$/, '')
    .replace(/^\[(.*)\]$/, '$1')
    .toLowerCase()

/** Names under which the server is itself: a foreign name that resolves to us (DNS rebinding) is none of them. */
export function ownNames(host: string): Set<string> {
  const names = new Set([...loopback, host.toLowerCase()])
  if (isLoopback(host)) return names
  const machine = hostname().toLowerCase()
  names.add(machine).add(`${machine}.local`)
  for (const addresses of Object.values(networkInterfaces()))
    for (const { address } of addresses ?? []) names.add(address)
  return names
}

/** Refuses requests to other hosts, and those that the pages of others make. */
export function checkOrigin(names: ReadonlySet<string>): MiddlewareHandler {
  return async (c, next) => {
    const host = c.req.header('host') ?? ''
    if (!names.has(nameOf(host)))
      throw new Failure(
        'forbidden',
        `This server is not ${host.slice(0, 100)}. Open the address that jora gui printed.`,
      )
    // Its answer would be made, streams and all, and thrown away.
    if (c.req.method === 'HEAD' && c.req.path.startsWith('/api/'))
      throw new Failure('bad_request', 'The API knows no HEAD: ask with GET.', [], 405)
    const changes = c.req.method !== 'GET' && c.req.method !== 'HEAD'
    if (changes || c.req.path.startsWith('/api/')) {
      const origin = c.req.header('origin')
      const site = c.req.header('sec-fetch-site')
      const isOwn = origin === undefined || origin === `http://${host}` || origin === `https://${host}`
      if (!isOwn || !(site === undefined || site === 'same-origin' || site === 'none'))
        throw new Failure('forbidden', 'Only the pages of this server may ask it for anything.')
    }
    await next()
  }
}
