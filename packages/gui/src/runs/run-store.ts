// What the server writes of its runs: gui.json and control.jsonl, one write of a run after another.
import { join } from 'node:path'
import { controlFile, LogWriter, type ControlEvent } from '@jora/lora'
import { writeRecord, type Seal } from './gui-record'
import type { ManagedRun } from './managed-run'

export class RunStore {
  readonly #writes = new Map<string, Promise<void>>()

  constructor(readonly seal: Seal) {}

  /** Writes what is known of the run now. */
  save(run: ManagedRun): Promise<void> {
    const record = structuredClone(run.record!)
    return this.#inTurn(run, () => writeRecord(run.folder, record, this.seal))
  }

  /** Writes what happened to the run. */
  append(run: ManagedRun, ...events: readonly ControlEvent[]): Promise<void> {
    return this.#inTurn(run, async () => {
      const log = await LogWriter.open<ControlEvent>(join(run.folder, controlFile))
      try {
        for (const event of events) await log.append(event)
      } finally {
        await log.close()
      }
    })
  }

  /** Resolves when what was to be written of the run is, or could not be. */
  settled(id: string): Promise<void> {
    return this.#writes.get(id)?.catch(() => {}) ?? Promise.resolve()
  }

  async allSettled(): Promise<void> {
    await Promise.allSettled(this.#writes.values())
  }

  #inTurn({ id }: ManagedRun, write: () => Promise<void>): Promise<void> {
    const done = this.settled(id).then(write)
    this.#writes.set(id, done)
    return done
  }
}
