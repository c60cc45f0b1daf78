// Files of one run's folder: their list, one of them, and a zip of what was trained or of a folder.
import { createReadStream } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { basename, join, relative, sep } from 'node:path'
import { Readable } from 'node:stream'
import type { RunFile } from '../api'
import { Failure } from '../server/failure'
import { zipOf } from './zip'

const mostFiles = 2000
const adapterFiles = ['adapter_config.json', 'adapter_model.safetensors', 'README.md']

/** All files below `folder`; links and hidden files are none. */
export async function listFiles(folder: string): Promise<RunFile[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  const files = entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
    .slice(0, mostFiles)
  return Promise.all(
    files.map(async (path) => {
      const { size, mtime } = await stat(path)
      return { path: relative(folder, path).split(sep).join('/'), bytes: size, modifiedAt: mtime.toISOString() }
    }),
  )
}

/** The true path of something in a run's folder. @throws Failure when it is not in there, or leads out */
export async function inRun(folder: string, path: string): Promise<string> {
  const parts = path.split('/')
  const isPlain = parts.every((part) => part !== '' && part !== '.' && part !== '..' && !/[\\:\p{Cc}]/u.test(part))
  const real = isPlain ? await realpath(join(folder, ...parts)).catch(() => undefined) : undefined
  if (real === undefined || !real.startsWith(`${folder}${sep}`))
    throw new Failure('not_found', 'This run has no such file.')
  return real
}

/** Never shown by a browser as a page: what a file holds is data. */
const asDownload = (name: string, bytes?: number): Record<string, string> => ({
  'content-type': 'application/octet-stream',
  'content-disposition': `attachment; filename="${name.replace(/[^\w.-]/g, '_')}"; filename*=UTF-8''${encodeURIComponent(name).replace(/['()*]/g, '')}`,
  ...(bytes === undefined ? {} : { 'content-length': String(bytes) }),
})

export async function sendFile(folder: string, path: string): Promise<Response> {
  const real = await inRun(folder, path)
  const found = await stat(real)
  if (!found.isFile()) throw new Failure('bad_request', `${path} is a folder: download it as a zip.`)
  const body = Readable.toWeb(createReadStream(real)) as ReadableStream<Uint8Array>
  return new Response(body, { headers: asDownload(basename(real), found.size) })
}

/** Files of a model's folder that are not the run's own. */
const isOfModel = (path: string): boolean =>
  !/\/|^(run|gui|label)\.json$|\.(jsonl|log|csv|html)$|^events\.out/.test(path)

/** What was trained, by name: an adapter's files, or a model's. */
async function trainedFiles(folder: string): Promise<readonly string[]> {
  const all = (await listFiles(folder)).map(({ path }) => path)
  const isModel =
    !all.includes(adapterFiles[1]!) && all.some((path) => /^model\.safetensors(\.index\.json)?$/.test(path))
  return isModel ? all.filter(isOfModel) : adapterFiles
}

/** @param path a folder of the run; undefined: what was trained */
export async function sendZip(folder: string, name: string, path: string | undefined): Promise<Response> {
  const base = path === undefined ? folder : await inRun(folder, path)
  const listed = path === undefined ? await trainedFiles(base) : (await listFiles(base)).map((file) => file.path)
  const there: { name: string; path: string }[] = []
  for (const file of listed) {
    const full = await inRun(base, file).catch(() => undefined)
    if (full !== undefined) there.push({ name: file, path: full })
  }
  if (path === undefined && !there.some((file) => file.name.endsWith('.safetensors')))
    throw new Failure('conflict', 'This run has trained nothing yet: it is written when training is done.')
  return new Response(await zipOf(there), { headers: asDownload(`${name}.zip`) })
}
