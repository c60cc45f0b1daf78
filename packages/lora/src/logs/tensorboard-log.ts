// TensorBoard's event files of a run, written while it goes on.
import { open, readdir, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '@jora/tensor/files'
import type { TrainEvent } from '../runs/events'
import { readRun } from './record'
import { eventFileName, tensorboardEvent, tensorboardEvents, tensorboardRestart } from './tensorboard'

/** The folder of the event files, in that of the run. */
const eventsFolder = 'tensorboard'

/** Appends to an event file, each event whole before the next. */
export class TensorboardLog {
  readonly #file: FileHandle

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /**
   * A new event file for the run in `folder`, whose run.json and metrics.jsonl are there. Where there are earlier ones, it goes on
   * after `resumeStep`; the first has all that the run did so far.
   * @throws Error of the system when it cannot be written
   */
  static async open(folder: string, resumeStep: number): Promise<TensorboardLog> {
    const run = await readRun(folder)
    const path = join(folder, eventsFolder)
    await makeFolder(path)
    const earlier = (await readdir(path)).filter((name) => name.includes('tfevents')).sort()
    // Readers take files in the order of their names, which have the second of their beginning.
    let startedAt = Date.now()
    while (earlier.length > 0 && eventFileName({ startedAt }) <= earlier.at(-1)!) startedAt += 1000
    const file = await open(join(path, eventFileName({ startedAt })), 'wx')
    await file.writeFile(
      earlier.length === 0 ? tensorboardEvents(run) : tensorboardRestart(run, resumeStep, startedAt / 1000),
    )
    return new TensorboardLog(file)
  }

  /** Writes what `event` measured. @throws Error of the system when it cannot be written */
  async append(event: TrainEvent): Promise<void> {
    await this.#file.writeFile(tensorboardEvent(event, Date.now() / 1000))
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#file.close()
  }
}
