// Lines on stderr, and under them on a terminal one status line that redraws.
import type { Output } from '../io'

const ansi = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*m`, 'g')

/** Characters on screen. */
export const widthOf = (text: string): number => text.replace(ansi, '').length

export class StatusLine {
  readonly #output: Output
  #status = ''
  #lastPlain = performance.now()

  constructor(output: Output) {
    this.#output = output
  }

  /** A line that stays. */
  log(line: string): void {
    this.#output.write(`${this.#wipe()}${line}\n${this.#status}`)
  }

  /** Replaces the status line; off a terminal writes `plain`, if given, as a line every ten seconds. */
  show(status: string, plain?: string): void {
    if (!this.#output.isTTY) {
      if (plain === undefined || performance.now() - this.#lastPlain < 10_000) return
      this.#lastPlain = performance.now()
      this.log(plain)
      return
    }
    const wipe = this.#wipe()
    const room = this.#output.columns - 1
    // A wrapped line could not be redrawn in place.
    this.#status = widthOf(status) <= room ? status : status.replace(ansi, '').slice(0, room)
    this.#output.write(wipe + this.#status)
  }

  clear(): void {
    const wipe = this.#wipe()
    this.#status = ''
    if (wipe !== '') this.#output.write(wipe)
  }

  #wipe(): string {
    return this.#status === '' ? '' : '\r\u001b[2K'
  }
}

/** `━━━━━╸─────`, `width` characters. */
export function bar(
  share: number,
  width: number,
  style: { green(text: string): string; dim(text: string): string },
): string {
  const full = Math.max(0, Math.min(width, Math.floor(share * width)))
  return style.green('━'.repeat(full)) + style.dim('─'.repeat(width - full))
}
