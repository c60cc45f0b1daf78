// The process that reads a dataset, so that no page waits for another's: `node inspect-worker.js FILE ROWS` prints JSON.
import { isTableFile, readBytes, readChunks, recordsOfFile } from '@jora/data'
import { inspectRows, inspectTable } from './inspect-rows'

const [file = '', rows = '5'] = process.argv.slice(2)
try {
  const found = isTableFile(file)
    ? await inspectTable(recordsOfFile(readBytes(file), file), Number(rows))
    : await inspectRows(readChunks(file), file, Number(rows))
  process.stdout.write(JSON.stringify(found))
} catch (error) {
  process.stderr.write(`error: ${(error as Error).message}\n`)
  process.exitCode = 1
}
