// Listening: the handler behind an address of this machine.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'

/** A handler that listens on an address of this machine. */
export interface Listening {
  /** `http://host:port`, without a path. */
  readonly address: string
  readonly port: number
  /** Stops listening and ends what is open. */
  close(): Promise<void>
}

/** The address cannot be listened on. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
}

const why: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use: choose another --port, or leave it to 0',
  EACCES: 'may not be used by you: choose a --port from 1024 on',
  EADDRNOTAVAIL: 'is not an address of this machine',
}

/**
 * Serves a fetch handler over HTTP.
 * @param options `host`: the address to listen on (default 127.0.0.1); `port`: 0, the default, takes a free one
 * @throws ListenError when the address cannot be used, saying why
 */
export async function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  { host = '127.0.0.1', port = 0 }: { readonly host?: string; readonly port?: number } = {},
): Promise<Listening> {
  const server = createServer(getRequestListener(fetch, { overrideGlobalObjects: false }))
  await new Promise<void>((done, fail) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      fail(new ListenError(`${host}:${port} ${why[error.code ?? ''] ?? error.message}`)),
    )
    server.listen(port, host, done)
  })
  const bound = (server.address() as AddressInfo).port
  return {
    address: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()))
      server.closeAllConnections()
      await closed
    },
  }
}
