// Entry of the built command line: runs on import and leaves the exit code with the process.
import { exitCode } from './errors'
import { processIo } from './io'
import { run } from './program'

// `jora generate … | head` closes the pipe early: no error, but a reason to stop, in order where a command can.
process.stdout.once('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.stdout.on('error', () => {})
  if (!process.emit('SIGINT')) process.exit(exitCode.done)
})

process.exitCode = await run(process.argv.slice(2), processIo)
