// The process that reads a dataset, so that no page waits for another's: `node inspect-worker.js FILE ROWS` prints JSON.
import { readChunks } from '@jora/data'
import { inspectRows } from './inspect-rows'

const [file = '', rows = '5'] = process.argv.slice(2)
try {
  process.stdout.write(JSON.stringify(await inspectRows(readChunks(file), file, Number(rows))))
} catch (error) {
  process.stderr.write(`error: ${(error as Error).message}\n`)
  process.exitCode = 1
}
