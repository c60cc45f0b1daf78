// A file that a page sends: streamed to the state folder, its size held against the limit as it comes.
import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Upload } from '../api'
import { Failure } from '../server/failure'

const endings = /\.(jsonl?|ndjson|txt|csv|tsv|tab|parquet|md)$/i

/** What stays of a file's name: its last part, of letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`. */
export function safeName(name: string): string {
  const last = name.normalize('NFC').split(/[/\\]/).at(-1)!
  const plain = last.replace(/[^\p{L}\p{M}\p{N}._-]+/gu, '-').replace(/^[-.]+/, '')
  const ending = endings.exec(plain)?.[0] ?? ''
  const stem = plain.slice(0, plain.length - ending.length).slice(0, 80) || 'dataset'
  return `${stem}${ending === '' ? '.jsonl' : ending}`
}

const inMegabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`

/**
 * A file that was sent before under this name is not kept twice: the earlier one is given.
 * @throws Failure when it is larger than `limitBytes`; nothing of it stays then
 */
export async function saveUpload(request: Request, name: string, folder: string, limitBytes: number): Promise<Upload> {
  const tooLarge = () =>
    new Failure(
      'too_large',
      `The file is larger than the ${inMegabytes(limitBytes)} that may be sent. Put it into a folder of this machine and choose it there.`,
    )
  if (Number(request.headers.get('content-length') ?? 0) > limitBytes) throw tooLarge()
  if (!request.body) throw new Failure('bad_request', 'The file is empty.')
  await mkdir(folder, { recursive: true })
  const { file, path, name: saved, earlier } = await newFile(folder, safeName(name))
  const hash = createHash('sha256')
  let bytes = 0
  const reader = request.body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      bytes += value.byteLength
      if (bytes > limitBytes) throw tooLarge()
      hash.update(value)
      await file.write(value)
    }
    if (bytes === 0) throw new Failure('bad_request', 'The file is empty.')
  } catch (error) {
    await reader.cancel().catch(() => {})
    await file.close()
    await rm(path, { force: true })
    throw error
  }
  await file.close()
  const digest = hash.digest('hex')
  for (const other of earlier) {
    const same = join(folder, other)
    const found = await stat(same).catch(() => undefined)
    if (found?.size !== bytes || (await digestOf(same)) !== digest) continue
    await rm(path, { force: true })
    return { path: same, name: other, bytes }
  }
  return { path, name: saved, bytes }
}

/** Of a file that may go meanwhile. */
const digestOf = async (path: string): Promise<string | undefined> => {
  const content = await readFile(path).catch(() => undefined)
  return content && createHash('sha256').update(content).digest('hex')
}

/** A file that was not there: `rows-2.jsonl` where `rows.jsonl` is taken; `earlier` are those that took a name before it. */
async function newFile(folder: string, name: string) {
  const dot = name.lastIndexOf('.')
  const earlier: string[] = []
  for (let n = 1; ; n++) {
    const tried = n === 1 ? name : `${name.slice(0, dot)}-${n}${name.slice(dot)}`
    try {
      const path = join(folder, tried)
      return { file: await open(path, 'wx', 0o600), path, name: tried, earlier }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || n > 10_000) throw error
      earlier.push(tried)
    }
  }
}
