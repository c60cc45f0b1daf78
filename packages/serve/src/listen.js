// Listening: the handler behind an address of this machine.
import { createServer } from 'node:http'
import { getRequestListener } from '@hono/node-server'
/** The address cannot be listened on. */
export class ListenError extends Error {
  name = 'ListenError'
}
const why = {
  EADDRINUSE: 'is in use: choose another --port, or leave it to 0',
  EACCES: 'may not be used by you: choose a --port from 1024 on',
  EADDRNOTAVAIL: 'is no address of this machine',
}
/** @throws ListenError saying what is wrong with the address */
export async function listen(fetch, { host = '127.0.0.1', port = 0 } = {}) {
  const server = createServer(getRequestListener(fetch, { overrideGlobalObjects: false }))
  await new Promise((done, fail) => {
    server.once('error', (error) => fail(new ListenError(`${host}:${port} ${why[error.code ?? ''] ?? error.message}`)))
    server.listen(port, host, done)
  })
  const bound = server.address().port
  return {
    address: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    port: bound,
    async close() {
      const closed = new Promise((done) => server.close(() => done()))
      server.closeAllConnections()
      await closed
    },
  }
}
