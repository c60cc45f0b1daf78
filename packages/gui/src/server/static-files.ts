// The built page: its files from one folder, its own addresses all to index.html.
import { createReadStream } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { extname, join, sep } from 'node:path'
import { Readable } from 'node:stream'
import type { Handler } from 'hono'
import { notBuilt, notFound } from './pages'

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
  '.webmanifest': 'application/manifest+json',
  '.wasm': 'application/wasm',
}

/** Bundlers put a hash of the content into names below this. */
const immutable = /^\/assets\//

export function staticFiles(folder: string | undefined): Handler {
  return async (c) => {
    const base = folder === undefined ? undefined : await realpath(folder).catch(() => undefined)
    if (base === undefined) return notBuilt()
    let path: string
    try {
      path = decodeURIComponent(c.req.path)
    } catch {
      return notFound()
    }
    const asked = extname(path) === '' ? '/index.html' : path
    if (asked.includes('\0') || asked.split(/[/\\]/).includes('..')) return notFound()
    const real = await realpath(join(base, asked)).catch(() => undefined)
    const found = real?.startsWith(`${base}${sep}`) ? await stat(real) : undefined
    if (real === undefined || !found?.isFile()) return asked === '/index.html' ? notBuilt() : notFound()
    const etag = `"${found.size.toString(36)}-${Math.round(found.mtimeMs).toString(36)}"`
    const headers = {
      'content-type': types[extname(real)] ?? 'application/octet-stream',
      'cache-control': immutable.test(path) ? 'private, max-age=31536000, immutable' : 'no-cache',
      etag,
    }
    if (c.req.header('if-none-match') === etag) return new Response(null, { status: 304, headers })
    if (c.req.method === 'HEAD')
      return new Response(null, { headers: { ...headers, 'content-length': String(found.size) } })
    const body = Readable.toWeb(createReadStream(real)) as ReadableStream<Uint8Array>
    return new Response(body, { headers: { ...headers, 'content-length': String(found.size) } })
  }
}
