// Downloads one file into the cache's blobs: resumed when cut, checked against its hash, renamed into place when whole.

import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { downloadFile } from '@huggingface/hub'
import { writeStreamAtomic, type FileSink } from '@jora/tensor/files'
import type { ModelCache } from './cache'
import { HubError } from './error'
import { hubFetch, maxTries, pause, type HubAccess } from './http'

/** A file as the repository lists it. */
export interface RemoteFile {
  /** Path in the repository. */
  name: string
  bytes: number
  /** Name of its blob: the SHA-256 of a large file, the git object id (SHA-1) of a small one. */
  blobId: string
}

/** Progress of one file of a download. */
export interface DownloadEvent {
  /** Path in the repository. */
  file: string
  receivedBytes: number
  totalBytes: number
}

export interface DownloadOptions {
  access: HubAccess
  commit: string
  xet: boolean
  onProgress: ((event: DownloadEvent) => void) | undefined
}

/**
 * Fetches `file` as a blob of `cache`. @huggingface/hub gives the bytes (plain HTTP or Xet) from any position; its own
 * `downloadFileToCacheDir` neither resumes nor checks them, and two processes would write one temporary file.
 */
export async function downloadBlob(cache: ModelCache, file: RemoteFile, options: DownloadOptions): Promise<void> {
  const { access, commit, xet } = options
  const path = cache.blob(file.blobId)
  const send = hubFetch(access)
  const refusals: HubError[] = []
  const source = await downloadFile({
    repo: { type: access.kind ?? 'model', name: access.id },
    path: file.name.split('/').map(encodeURIComponent).join('/'),
    revision: commit,
    hubUrl: access.endpoint,
    // The package's streams pass errors on as mere text, so a refusal is kept on the side.
    fetch: (input, init) =>
      send(input, init).catch((error: unknown) => {
        if (error instanceof HubError) refusals.push(error)
        throw error
      }),
    xet,
  })
  if (!source) throw new HubError('NotFound', access.id, `${file.name} is listed at ${commit} but not there`)
  if (source.size !== file.bytes) throw corrupt(access, file, `${source.size} bytes, expected ${file.bytes}`)

  await mkdir(dirname(path), { recursive: true })
  await cache.removeStale(file.blobId)
  const fill = (sink: FileSink) => receive(source, sink, file, options, refusals)
  await writeStreamAtomic(path, fill, { expectedBytes: file.bytes })
}

async function receive(
  source: Blob,
  sink: FileSink,
  file: RemoteFile,
  options: DownloadOptions,
  refusals: readonly HubError[],
): Promise<void> {
  const { access, onProgress } = options
  const hash = file.blobId.length === 64 ? createHash('sha256') : createHash('sha1').update(`blob ${file.bytes}\0`)
  let received = 0
  let tries = 0
  while (received < file.bytes) {
    const before = received
    let cause: unknown = 'the connection closed early'
    const rest = before === 0 ? source : source.slice(before, file.bytes)
    const reader = rest.stream().getReader()
    try {
      for (;;) {
        const next = await reader.read().catch((error: unknown) => void (cause = error))
        access.signal?.throwIfAborted()
        if (!next?.value) break
        received += next.value.byteLength
        if (received > file.bytes) throw corrupt(access, file, `more than the expected ${file.bytes} bytes`)
        hash.update(next.value)
        await sink.write(next.value)
        onProgress?.({ file: file.name, receivedBytes: received, totalBytes: file.bytes })
      }
    } finally {
      await reader.cancel().catch(() => {})
    }
    if (received === file.bytes) break
    if (refusals[0]) throw refusals[0]
    tries = received > before ? 1 : tries + 1
    if (tries >= maxTries) {
      const why = cause instanceof Error ? cause.message : String(cause)
      const what = `${file.name} stopped at byte ${received} of ${file.bytes}, ${maxTries} tries in a row: ${why}`
      throw new HubError('Unreachable', access.id, what, { cause })
    }
    await pause(access, tries)
  }
  const digest = hash.digest('hex')
  if (digest !== file.blobId) throw corrupt(access, file, `hash ${digest}, expected ${file.blobId}`)
}

function corrupt({ id }: HubAccess, file: RemoteFile, what: string): HubError {
  return new HubError('Corrupt', id, `${file.name} came with ${what}`)
}
