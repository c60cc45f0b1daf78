// Files written whole or not at all.
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { destinationOf } from './destination'
import { explainNoRoom } from './explain'
import { replaceAtomic, temporaryName } from './replace'
import { DescriptorSink, openStream, type FileSink } from './sink'

/** How a file is written. */
export interface WriteOptions {
  /** Bytes the file will take, told in the error when there is no room for them. */
  readonly expectedBytes?: number | undefined
}

/**
 * Writes a file whole or not at all: `fill` writes to a temporary file in the same folder, which is flushed to the disk
 * and takes the name then. An older file keeps its permissions, and stays as it was when `fill` fails. Where `path` is a
 * link, what it points at is replaced, not the link; a device, a pipe or /dev/stdout is written to as `fill` goes.
 * @returns what `fill` returns
 * @throws what `fill` throws; an error that says so where there is no room; Node's own otherwise
 */
export async function writeStreamAtomic<T>(
  path: string,
  fill: (sink: FileSink) => Promise<T>,
  { expectedBytes }: WriteOptions = {},
): Promise<T> {
  try {
    const to = destinationOf(path)
    if (to.kind === 'descriptor') return await fill(new DescriptorSink(to.descriptor))
    if (to.kind === 'stream')
      return await closing(await openStream(to), (handle) => fill(new DescriptorSink(handle.fd)))
    let result!: T
    await replaceAtomic(to.path, async (temporary) =>
      closing(await open(temporary, 'wx'), async (handle) => {
        result = await fill(new DescriptorSink(handle.fd))
        if (to.mode !== undefined) await handle.chmod(to.mode)
        await handle.sync()
      }),
    )
    return result
  } catch (error) {
    const size = expectedBytes === undefined ? '' : `; the file takes about ${Math.ceil(expectedBytes / 2 ** 20)} MiB`
    throw explainNoRoom(error, path, size)
  }
}

/** Uses and closes `handle`. A failure to close is reported only where nothing failed before. */
async function closing<T>(handle: FileHandle, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  let result: T
  try {
    result = await use(handle)
  } catch (error) {
    await handle.close().catch(() => {})
    throw error
  }
  await handle.close()
  return result
}

/** Writes `data` to `path` as {@link writeStreamAtomic} does; text as UTF-8. */
export const writeFileAtomic = (path: string, data: string | Uint8Array): Promise<void> =>
  writeStreamAtomic(path, (sink) => sink.write(typeof data === 'string' ? Buffer.from(data, 'utf8') : data))

/** `value` as JSON with two-space indentation. */
export const writeJsonAtomic = (path: string, value: unknown): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`)

/** Bytes that lines are joined to before they are written. */
const chunkBytes = 2 ** 20

/** Each item as a line of JSON, made when it is asked for. */
export function* jsonLines(items: Iterable<unknown>): Generator<string, void> {
  for (const item of items) yield `${JSON.stringify(item)}\n`
}

/** Writes texts one after another, e.g. the lines of a JSONL file with their ends, as {@link writeStreamAtomic} does. */
export const writeLinesAtomic = (path: string, lines: Iterable<string> | AsyncIterable<string>): Promise<void> =>
  writeStreamAtomic(path, async (sink) => {
    let text = ''
    for await (const line of lines) {
      text += line
      if (text.length < chunkBytes) continue
      await sink.write(Buffer.from(text, 'utf8'))
      text = ''
    }
    await sink.write(Buffer.from(text, 'utf8'))
  })

/**
 * Writes a small file, a cache, at once: whole or not at all, but not flushed to the disk. Folders above it are made.
 * @throws Node's error
 */
export function writeFileAtomicSync(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  const to = destinationOf(path)
  if (to.kind !== 'file') return writeFileSync(path, text)
  const temporary = temporaryName(to.path)
  try {
    writeFileSync(temporary, text)
    renameSync(temporary, to.path)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
}
