// A file that a page sends, as the documents that are in it: read as `jora learn` reads it, and kept nowhere.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { readDocumentsSchema, type ReadDocuments } from '../api'
import { receive } from '../files/receive'
import { Commands } from '../process/command'
import { scriptPath } from '../process/scripts'
import { byName, Failure } from '../server/failure'

export class DocumentReader {
  readonly #commands = new Commands([process.execPath, '--max-old-space-size=4096'])

  constructor(readonly cwd: string) {}

  close(): void {
    this.#commands.close()
  }

  /**
   * @param name the file's, whose end says what it is
   * @throws Failure for a file that is too large, of no format that is read, or that cannot be read
   */
  async read(request: Request, name: string, limitBytes: number): Promise<ReadDocuments> {
    const folder = await mkdtemp(join(tmpdir(), 'jora-read-'))
    try {
      const ending = /^\.\w{1,16}$/.test(extname(name)) ? extname(name) : ''
      const file = join(folder, `document${ending}`)
      if ((await receive(request, file, limitBytes)) === 0) throw new Failure('bad_request', `${name} is empty.`)
      const { code, stdout, stderr } = await this.#commands.run([scriptPath('read-worker'), file], {
        cwd: this.cwd,
        signal: request.signal,
        timeoutMs: 300_000,
      })
      if (code === 0) return readDocumentsSchema.parse(JSON.parse(stdout))
      const line = stderr.split('\n').findLast((each) => each.startsWith('error: '))
      const told = line?.slice('error: '.length) ?? `${name} cannot be read: its reader has ended.`
      throw new Failure('bad_request', byName(told, [file]).replaceAll(`document${ending}`, name))
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}
