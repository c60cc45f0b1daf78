// Ending runs: asked like Ctrl-C, asked again, then ended.
import { isAlive, type ProcessMark } from '../process/alive'
import { interrupt, kill } from './run-process'

/** After the first asking. A page promises five seconds. */
const [againMs, killMs] = [3500, 4500]

export class Stopper {
  readonly #timers = new Map<string, NodeJS.Timeout[]>()

  /** @param isAsked whether it was asked before: the next asking ends it without a checkpoint */
  stop(id: string, mark: ProcessMark, isAsked: boolean): void {
    this.release(id)
    if (!isAsked) interrupt(mark)
    const still = async (act: (mark: ProcessMark) => void) => {
      if (await isAlive(mark)) act(mark)
    }
    this.#timers.set(id, [setTimeout(() => void still(interrupt), againMs), setTimeout(() => void still(kill), killMs)])
  }

  /** It has ended. */
  release(id: string): void {
    this.#timers.get(id)?.forEach((timer) => clearTimeout(timer))
    this.#timers.delete(id)
  }

  close(): void {
    for (const id of this.#timers.keys()) this.release(id)
  }
}
