// metrics.jsonl as it grows: its lines, told as they come, and rewound when a resumed run takes lines back.
import { crc32 } from 'node:zlib'
import { LogReader } from '@jora/lora'

const pollMs = 100

/** Where a reader is: lines read, and a mark of the last of them, by which a file that was rewritten is noticed. */
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

/** Told after each change; lines from `kept` on are others than before. */
type Listener = (kept: number) => void

/** The file is read while someone holds it. */
class MetricsFile {
  lines: string[] = []
  holders = 0
  readonly listeners = new Set<Listener>()
  readonly #log: LogReader
  #timer: NodeJS.Timeout | undefined
  #reading: Promise<void> | undefined

  constructor(path: string) {
    this.#log = new LogReader(path)
  }

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
    const news = await this.#log.read()
    if (!news) return
    const { lines: fresh, isAnew } = news
    const before = this.lines
    let kept = isAnew ? 0 : before.length
    if (isAnew) {
      while (kept < fresh.length && fresh[kept] === before[kept]) kept++
      this.lines = [...fresh]
    } else for (const line of fresh) before.push(line)
    if (kept < before.length || kept < this.lines.length) this.#tell(kept)
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
