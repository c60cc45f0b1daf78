// Where a write to a path goes: links are followed to the file they name, and what is not a file is written to as it is.
import { readlinkSync, realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/** What a path names for a writer. */
export type Destination =
  /** A regular file, or none yet: written aside and renamed. `path` is past every link; `mode` that of the file there. */
  | { readonly kind: 'file'; readonly path: string; readonly mode: number | undefined }
  /** A device, pipe or socket: opened and written to. */
  | { readonly kind: 'stream'; readonly path: string; readonly isPipe: boolean }
  /** An open descriptor of this process, as /dev/stdout names one. */
  | { readonly kind: 'descriptor'; readonly descriptor: number }

const standard: Readonly<Record<string, number>> = { '/dev/stdout': 1, '/dev/stderr': 2 }

/** The number of the descriptor that a path names, as /dev/stdout, /dev/fd/3 and /proc/self/fd/3 do. */
function descriptorOf(path: string): number | undefined {
  if (process.platform === 'win32') return undefined
  const found = /^\/(?:dev|proc\/self)\/fd\/(\d+)$/.exec(path)
  return standard[path] ?? (found ? Number(found[1]) : undefined)
}

/** Links that are followed one after another, as in Linux. */
const mostLinks = 40

/** The path past the links at its end, whose last may name a file that is not there. */
function pastLinks(path: string): string {
  let at = path
  for (let links = 0; links < mostLinks; links++) {
    if (descriptorOf(at) !== undefined) return at
    let next: string
    try {
      next = readlinkSync(at)
    } catch {
      return at // no link, or nothing at all
    }
    at = resolve(realFolder(at), next)
  }
  return at
}

/** The folder that a name is in: `..` in a link is counted from there. */
function realFolder(path: string): string {
  try {
    return realpathSync(dirname(path))
  } catch {
    return dirname(path)
  }
}

/**
 * Finds what writing to `path` means.
 * @throws Error with `code` EISDIR for a folder, or as the system does for a path that cannot be followed
 */
export function destinationOf(path: string): Destination {
  const target = pastLinks(resolve(path))
  const isFolder = () =>
    Object.assign(new Error(`EISDIR: ${path} is a folder, expected a file`), { code: 'EISDIR', path })
  if (/[/\\]$/.test(path) && (path.endsWith('/') || process.platform === 'win32')) throw isFolder()
  const descriptor = descriptorOf(target)
  if (descriptor !== undefined) return { kind: 'descriptor', descriptor }
  const found = statSync(target, { throwIfNoEntry: false })
  if (found?.isDirectory()) throw isFolder()
  if (found && !found.isFile()) return { kind: 'stream', path: target, isPipe: found.isFIFO() }
  return { kind: 'file', path: target, mode: found && found.mode & 0o777 }
}

/** Where a folder of the name `path` is: past its links, as for a file. */
export const folderDestination = (path: string): string => pastLinks(resolve(path))

/** Whether `path` names a device, a pipe or an open descriptor, of which nothing can be read back. */
export function isStream(path: string): boolean {
  try {
    return destinationOf(path).kind !== 'file'
  } catch {
    return false
  }
}

/** Whether both paths name one file or folder, through whatever links. */
export function isSameFile(a: string, b: string): boolean {
  if (resolve(a) === resolve(b)) return true
  try {
    const [one, other] = [statSync(a, { bigint: true }), statSync(b, { bigint: true })]
    return one.dev === other.dev && one.ino === other.ino
  } catch {
    return false
  }
}
