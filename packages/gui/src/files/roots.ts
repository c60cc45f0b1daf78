// Which files may be touched: those under the roots that the user named, after every link is followed.
import { mkdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, resolve, sep } from 'node:path'
import { Failure } from '../server/failure'

export interface Root {
  /** Links followed. */
  readonly path: string
  readonly name: string
}

const isInside = (path: string, folder: string): boolean =>
  path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)

export class Roots {
  private constructor(
    /** Named by the user, and last the one of uploads: they may be browsed, and runs are made there. */
    readonly roots: readonly Root[],
    /** Of the program itself, or of the Hub's cache: read, not browsed. */
    readonly readable: readonly string[],
  ) {}

  /** @param uploads is made if it is not there; @throws Error naming a root that is not a folder, before */
  static async open(roots: readonly string[], uploads: string, readable: readonly string[]): Promise<Roots> {
    const real: Root[] = []
    for (const given of roots) {
      const path = await realpath(resolve(given)).catch(() => undefined)
      const found = path === undefined ? undefined : await stat(path).catch(() => undefined)
      if (path === undefined || !found?.isDirectory()) throw new Error(`--root ${given}: no such folder`)
      if (!real.some((root) => root.path === path)) real.push({ path, name: basename(path) || path })
    }
    if (real.length === 0) throw new Error('no root: give at least one folder')
    await mkdir(uploads, { recursive: true, mode: 0o700 })
    real.push({ path: await realpath(uploads), name: 'Uploads' })
    const others = await Promise.all(readable.map((path) => realpath(path).catch(() => resolve(path))))
    return new Roots(real, others)
  }

  /**
   * The true path of `path`.
   * @param field the form field it came in, for the answer
   * @throws Failure when it is not an absolute path, not under a root once its links are followed, or not there
   */
  async existing(path: string, field = ''): Promise<string> {
    this.#checkText(path, field)
    const real = await realpath(path).catch((error: NodeJS.ErrnoException) => error)
    if (typeof real === 'string') {
      if (!this.#allowed(real)) throw this.#outside(path, field)
      return real
    }
    // What is elsewhere is not told apart from what is not there.
    if (!this.#allowed(resolve(path))) throw this.#outside(path, field)
    throw failureAt('not_found', field, `${path} does not exist.`)
  }

  async folder(path: string, field = ''): Promise<string> {
    const real = await this.existing(path, field)
    if (!(await stat(real)).isDirectory())
      throw failureAt('bad_request', field, `${path} is a file, expected a folder.`)
    return real
  }

  async file(path: string, field = ''): Promise<string> {
    const real = await this.existing(path, field)
    if (!(await stat(real)).isFile()) throw failureAt('bad_request', field, `${path} is a folder, expected a file.`)
    return real
  }

  /** The true path that a folder would have which need not be there yet: of its nearest parent that is. Under a named root only. */
  async newFolder(path: string, field = ''): Promise<string> {
    this.#checkText(path, field)
    let [parent, rest] = [resolve(path), '']
    for (;;) {
      const real = await realpath(parent).catch(() => undefined)
      if (real !== undefined) {
        const found = join(real, rest)
        if (!this.roots.some((root) => isInside(found, root.path))) throw this.#outside(path, field)
        return found
      }
      if (dirname(parent) === parent) throw this.#outside(path, field)
      ;[parent, rest] = [dirname(parent), join(basename(parent), rest)]
    }
  }

  /** Whether a folder may be browsed from here upwards: the parent of a root may not. */
  parentOf(path: string): string | null {
    return this.roots.some((root) => root.path === path) ? null : dirname(path)
  }

  /** Whether a true path is under a root that the user named. */
  isBrowsable(real: string): boolean {
    return this.roots.some((root) => isInside(real, root.path))
  }

  #allowed(real: string): boolean {
    return this.isBrowsable(real) || this.readable.some((folder) => isInside(real, folder))
  }

  #checkText(path: string, field: string): void {
    if (path.includes('\0')) throw failureAt('bad_request', field, 'A path cannot hold a zero byte.')
    if (!isAbsolute(path)) throw failureAt('bad_request', field, `${JSON.stringify(path)} is not an absolute path.`)
  }

  #outside(path: string, field: string): Failure {
    const named = this.roots.map((root) => root.path).join(', ')
    return failureAt(
      'forbidden',
      field,
      `${path} is not in a folder that this page may use (${named}). Start jora gui with --root to name others.`,
    )
  }
}

const failureAt = (code: 'bad_request' | 'forbidden' | 'not_found', field: string, message: string): Failure =>
  new Failure(code, message, field === '' ? [] : [{ path: field, message }])
