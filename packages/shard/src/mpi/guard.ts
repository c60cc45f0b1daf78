// Ends the whole job when one of its processes fails: the others would wait for it.
import { writeSync } from 'node:fs'
import { inspect } from 'node:util'
import type { MpiTransport } from './mpi-transport'

/**
 * From now on an error that nobody caught, SIGTERM, and an exit without `close()` end all ranks at once. The error
 * is on stderr after the name of its rank, as `rank 2 on host b: …`, and the job's exit code is not 0: 1, 143 after
 * SIGTERM, or the code that the process was leaving with. Of an exit code other than 0 the program has told the reason.
 * SIGINT is left to the program, and so is SIGTERM while the program listens to it.
 */
export function guardProcess(transport: MpiTransport): void {
  const me = `rank ${transport.rank} on host ${transport.hosts[transport.rank]}`
  const end = (why: string, code: number): never => {
    // Not process.stderr, which may be asynchronous: what it holds is lost with the process.
    writeSync(2, `${me}: ${why}\n`)
    return transport.abort(code)
  }
  // Rejections that nobody handles come here too.
  process.on('uncaughtException', (error: unknown) => end(inspect(error), 1))
  process.on('SIGTERM', () => {
    if (process.listenerCount('SIGTERM') === 1) end('ended by SIGTERM', 143)
  })
  process.on('exit', (code) => {
    if (transport.closed) return
    if (code === 0) end('left the job without closing it', 1)
    transport.abort(code)
  })
}
