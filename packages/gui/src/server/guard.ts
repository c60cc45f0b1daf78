// What every request must pass: a host we are, an origin that is ours, headers that keep pages in their place.
import type { MiddlewareHandler } from 'hono'
import { checkRequest } from '@jora/serve'
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

/** Refuses requests to other hosts, and those that the pages of others make. */
export function checkOrigin(names: ReadonlySet<string>): MiddlewareHandler {
  return async (c, next) => {
    const host = c.req.header('host') ?? ''
    const changes = c.req.method !== 'GET' && c.req.method !== 'HEAD'
    const isApi = c.req.path.startsWith('/api/')
    const headers = { host, origin: c.req.header('origin'), site: c.req.header('sec-fetch-site') }
    const refusal = checkRequest(names, headers, !changes && !isApi)
    if (refusal === 'host')
      throw new Failure(
        'forbidden',
        `This server is not ${host.slice(0, 100)}. Open the address that jora gui printed.`,
      )
    // Its answer would be made, streams and all, and thrown away.
    if (c.req.method === 'HEAD' && isApi)
      throw new Failure('bad_request', 'The API knows no HEAD: ask with GET.', [], 405)
    if (refusal === 'origin') throw new Failure('forbidden', 'Only the pages of this server may ask it for anything.')
    await next()
  }
}
