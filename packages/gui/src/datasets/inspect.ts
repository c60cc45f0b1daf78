// What a dataset file is, told by a process that reads it.
import { stat } from 'node:fs/promises'
import { columnsExpected, parseColumns } from '@jora/data'
import type { Inspection } from '../api'
import { Commands } from '../process/command'
import { scriptPath } from '../process/scripts'
import { badValue, byName, Failure } from '../server/failure'

const largestBytes = 1 << 30
/** A process that reads a gigabyte of rows holds several. */
const heapMegabytes = 8192

export class Inspector {
  readonly #commands = new Commands([process.execPath, `--max-old-space-size=${heapMegabytes}`])

  constructor(readonly cwd: string) {}

  close(): void {
    this.#commands.close()
  }

  /**
   * @param path a true path under a root
   * @param columns as `--columns` has it
   */
  async inspect(path: string, rows: number, signal: AbortSignal, columns?: string): Promise<Inspection> {
    if (columns !== undefined && parseColumns(columns) === undefined)
      throw badValue('columns', `got ${JSON.stringify(columns)}, expected ${columnsExpected}`)
    const { size } = await stat(path)
    if (size > largestBytes)
      throw new Failure(
        'too_large',
        'The file is larger than 1 GB: split it, or train on it with jora train in a terminal.',
      )
    const args = [scriptPath('inspect-worker'), path, String(rows), ...(columns === undefined ? [] : [columns])]
    const { code, stdout, stderr } = await this.#commands.run(args, { cwd: this.cwd, signal, timeoutMs: 120_000 })
    if (code !== 0) {
      const told = stderr.trim().replace(/^error: /, '') || `${path} cannot be read.`
      throw new Failure('bad_request', byName(told, [path]))
    }
    return { path, bytes: size, ...(JSON.parse(stdout) as Omit<Inspection, 'path' | 'bytes'>) }
  }
}
