// metrics.jsonl as it grows: its lines, told as they come, and rewound when a resumed run takes lines back.
import { open, stat, type FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'

const pollMs = 100

/** Where a reader stands: lines read, and a mark of the last of them, by which a file that was rewritten is noticed. */
export function idAt(lines: readonly string[], position: number): string {
  return position === 0 ? '0' : `${position}-${crc32(lines[position - 1]!).toString(36)}`
}

/** The position an id stands for; undefined where these lines are not those it was given for. */
export function positionOf(lines: readonly string[], id: string): number | undefined {
  const position = Number(/^\d+/.exec(id)?.[0] ?? NaN)
  if (!(position <= lines.length)) return undefined
  return !id.includes('-') || id === idAt(lines, position) ? position : undefined
}

export const isId = (text: string): boolean => /^\d{1,12}(-[0-9a-z]{1,10})?$/.test(text)

/** Complete lines that are JSON objects. What a kill cut short is none. */
export function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => {
    if (!line.startsWith('{')) return false
    try {
      JSON.parse(line)
      return true
    } catch {
      return false
    }
  })
}

/** Told after each change; lines from `kept` on are others than before. */
type Listener = (kept: number) => void

/** The file is read while someone holds it. */
class MetricsFile {
  lines: string[] = []
  holders = 0
  readonly listeners = new Set<Listener>()
  #offset = 0
  #inode: number | bigint | undefined
  /** Bytes of a line whose end is not written yet. */
  #rest: Buffer = Buffer.alloc(0)
  #timer: NodeJS.Timeout | undefined
  #reading: Promise<void> | undefined

  constructor(readonly path: string) {}

  /** Reads what is new. */
  read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => (this.#reading = undefined))
    return this.#reading
  }

  follow(): void {
    const poll = async () => {
      await this.read().catch(() => {})
      if (this.holders > 0) this.#timer = setTimeout(poll, pollMs).unref()
    }
    this.#timer ??= setTimeout(poll, pollMs).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #read(): Promise<void> {
    const found = await stat(this.path).catch(() => undefined)
    const isOther = found?.ino !== this.#inode || (found?.size ?? 0) < this.#offset
    if (!isOther && (!found || found.size === this.#offset)) return
    const file = found ? await open(this.path, 'r').catch(() => undefined) : undefined
    try {
      if (isOther) await this.#replace(file)
      else if (file) {
        const fresh = linesOf(await this.#take(file))
        if (fresh.length === 0) return
        const kept = this.lines.length
        for (const line of fresh) this.lines.push(line)
        this.#tell(kept)
      }
    } finally {
      await file?.close()
    }
  }

  async #replace(file: FileHandle | undefined): Promise<void> {
    this.#offset = 0
    this.#rest = Buffer.alloc(0)
    this.#inode = file && (await file.stat()).ino
    const fresh = file ? linesOf(await this.#take(file)) : []
    let kept = 0
    while (kept < fresh.length && fresh[kept] === this.lines[kept]) kept++
    const isSame = kept === this.lines.length && kept === fresh.length
    this.lines = fresh
    if (!isSame) this.#tell(kept)
  }

  /** The complete lines behind the offset, as one text. */
  async #take(file: FileHandle): Promise<string> {
    const { size } = await file.stat()
    const bytes = Buffer.alloc(size - this.#offset)
    const { bytesRead } = await file.read(bytes, 0, bytes.byteLength, this.#offset)
    this.#offset += bytesRead
    const all = Buffer.concat([this.#rest, bytes.subarray(0, bytesRead)])
    const end = all.lastIndexOf(0x0a) + 1
    this.#rest = all.subarray(end)
    return all.toString('utf8', 0, end)
  }

  #tell(kept: number): void {
    for (const listener of this.listeners) listener(kept)
  }
}

export interface HeldMetrics {
  /** Replaced or appended to with every change. */
  readonly lines: readonly string[]
  onChange(listener: Listener): () => void
  /** Reads what is written by now, without waiting for its turn. */
  refresh(): Promise<void>
  release(): void
}

/** Files that are followed, each once however many follow it. */
export class MetricsFiles {
  readonly #files = new Map<string, MetricsFile>()

  /** Follows a file, read up to now, until it is released. It need not be there yet. */
  async hold(path: string): Promise<HeldMetrics> {
    const file = this.#files.get(path) ?? new MetricsFile(path)
    this.#files.set(path, file)
    file.holders++
    await file.read().catch(() => {})
    file.follow()
    let held = true
    return {
      get lines() {
        return file.lines
      },
      onChange(listener) {
        file.listeners.add(listener)
        return () => void file.listeners.delete(listener)
      },
      async refresh() {
        // One that has begun may have looked too early.
        for (let n = 0; n < 2; n++) await file.read().catch(() => {})
      },
      release: () => {
        if (!held) return
        held = false
        if (--file.holders > 0) return
        file.stop()
        this.#files.delete(path)
      },
    }
  }
}
