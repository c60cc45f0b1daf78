// A file that a page sends: streamed to the state folder, its size held against the limit as it comes.
import { mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Upload } from '../api'
import { Failure } from '../server/failure'

const endings = /\.(jsonl?|ndjson|txt|csv|tsv|md)$/i

/** What stays of a file's name: its last part, of letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`. */
export function safeName(name: string): string {
  const last = name.normalize('NFC').split(/[/\\]/).at(-1)!
  const plain = last.replace(/[^\p{L}\p{M}\p{N}._-]+/gu, '-').replace(/^[-.]+/, '')
  const ending = endings.exec(plain)?.[0] ?? ''
  const stem = plain.slice(0, plain.length - ending.length).slice(0, 80) || 'dataset'
  return `${stem}${ending === '' ? '.jsonl' : ending}`
}

const inMegabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`

/** @throws Failure when it is larger than `limitBytes`; nothing of it stays then */
export async function saveUpload(request: Request, name: string, folder: string, limitBytes: number): Promise<Upload> {
  const tooLarge = () =>
    new Failure(
      'too_large',
      `The file is larger than the ${inMegabytes(limitBytes)} that may be sent. Put it into a folder of this machine and choose it there.`,
    )
  if (Number(request.headers.get('content-length') ?? 0) > limitBytes) throw tooLarge()
  if (!request.body) throw new Failure('bad_request', 'The file is empty.')
  await mkdir(folder, { recursive: true })
  const { file, path, name: saved } = await newFile(folder, safeName(name))
  let bytes = 0
  const reader = request.body.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      bytes += value.byteLength
      if (bytes > limitBytes) throw tooLarge()
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
  return { path, name: saved, bytes }
}

/** A file that was not there: `rows-2.jsonl` where `rows.jsonl` is taken. */
async function newFile(folder: string, name: string) {
  const dot = name.lastIndexOf('.')
  for (let n = 1; ; n++) {
    const tried = n === 1 ? name : `${name.slice(0, dot)}-${n}${name.slice(dot)}`
    try {
      const path = join(folder, tried)
      return { file: await open(path, 'wx', 0o600), path, name: tried }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || n > 10_000) throw error
    }
  }
}
