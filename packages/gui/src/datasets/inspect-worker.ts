// The process that reads a dataset, so that no page waits for another's: `node inspect-worker.js FILE ROWS [COLUMNS]` prints JSON.
import { isTableFile, parseColumns, readBytes, readChunks, recordsOfFile } from '@jora/data'
import { inspectRows, inspectTable } from './inspect-rows'

const [file = '', rows = '5', named = ''] = process.argv.slice(2)
try {
  const columns = parseColumns(named)
  const found = isTableFile(file)
    ? await inspectTable(recordsOfFile(readBytes(file), file), Number(rows), columns)
    : await inspectRows(readChunks(file), file, Number(rows), columns)
  process.stdout.write(JSON.stringify(found))
} catch (error) {
  process.stderr.write(`error: ${(error as Error).message}\n`)
  process.exitCode = 1
}
