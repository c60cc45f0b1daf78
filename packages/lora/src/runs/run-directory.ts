// The output directory of a run: run.json, metrics.jsonl, the trained adapter and its model card.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomic, writeJsonAtomic } from '@jora/tensor/files'
import type { Adapter } from '../adapter/adapter'
import { readCardInfo } from '../card/card-info'
import type { TrainEvent } from './events'
import { parseLine } from './lines'
import { LogWriter, metricsFile, readLog } from './log'
import { ConfigError, type LoraConfig } from '../settings/lora-config'
import type { Tracker } from '../settings/table/watching'
import { modelCard } from '../card/model-card'
import { HttpLog, reportTokenVariable } from '../logs/http-log'
import { TensorboardLog } from '../logs/tensorboard-log'
import { trainedFiles, type TrainedInfo } from '../adapter/save-trained'

/** How a run's directory is opened. */
export interface RunDirectoryOptions {
  /** Whether the evaluation after the step that the run goes on from will be done again. */
  readonly evaluatesAgain?: boolean | undefined
  /** The checkpoint that the run goes on from, relative to its directory, where it is in there. */
  readonly checkpoint?: string | undefined
  /** What else is told of the run while it goes on. */
  readonly reportTo?: readonly Tracker[] | undefined
  /** Where `http` of {@link reportTo} sends them. */
  readonly reportUrl?: string | undefined
  /** Told what a user should know of it. */
  readonly onNote?: ((text: string) => void) | undefined
}

/** Appends to metrics.jsonl, each line written before the next event; and to what other programs read. */
export class RunDirectory {
  #metrics: LogWriter<TrainEvent> | undefined
  #tensorboard: TensorboardLog | undefined
  #http: HttpLog | undefined
  /** The last loss of the steps that are kept; undefined in a new run. */
  readonly earlier: { finalLoss?: number } = {}

  private constructor(readonly path: string) {}

  /** Of a process that keeps no files: the first of its job does. */
  static none(path: string): RunDirectory {
    return new RunDirectory(path)
  }

  /**
   * Opens `path` for a new run, or to continue one after `resumeStep` (later lines of metrics.jsonl are dropped: those
   * steps will be done again).
   * @throws ConfigError when it cannot be written, or holds a run that is not to be resumed
   */
  static async open(
    path: string,
    settings: Record<string, unknown>,
    resumeStep: number | undefined,
    { evaluatesAgain = false, checkpoint, reportTo = [], reportUrl, onNote }: RunDirectoryOptions = {},
  ): Promise<RunDirectory> {
    const directory = new RunDirectory(path)
    const metricsPath = join(path, metricsFile)
    try {
      await makeFolder(path)
      let kept = ''
      let isNoted = checkpoint === undefined
      if (resumeStep === undefined && (await stat(metricsPath).catch(() => undefined)))
        throw new ConfigError(`${path} already has a run; continue it with --resume or choose another output directory`)
      for (const line of await readLog(metricsPath)) {
        const event = parseLine<TrainEvent>(line)!
        if (event.type === 'error' || event.type === 'done' || event.step > resumeStep!) continue
        // Without a checkpoint the run begins again, its evaluation before the first step included.
        if (resumeStep === 0 || (evaluatesAgain && event.type === 'eval' && event.step === resumeStep)) continue
        kept += `${line}\n`
        if (event.type === 'step') directory.earlier.finalLoss = event.loss
        if (event.type === 'checkpoint') isNoted ||= event.step === resumeStep
      }
      // The run was killed after it kept the checkpoint, and before it said so.
      if (!isNoted) kept += `${JSON.stringify({ type: 'checkpoint', step: resumeStep, path: checkpoint })}\n`
      await writeFileAtomic(metricsPath, kept)
      await writeJsonAtomic(join(path, 'run.json'), settings)
      if (reportTo.includes('tensorboard')) directory.#tensorboard = await TensorboardLog.open(path, resumeStep ?? 0)
      if (reportTo.includes('http') && reportUrl !== undefined)
        directory.#http = await HttpLog.open(path, reportUrl, resumeStep ?? 0, {
          onNote,
          token: process.env[reportTokenVariable],
        })
      directory.#metrics = await LogWriter.open(metricsPath)
    } catch (error) {
      if (error instanceof ConfigError) throw error
      throw new ConfigError(`output directory ${path} cannot be written: ${(error as Error).message}`)
    }
    return directory
  }

  async append(event: TrainEvent): Promise<void> {
    await this.#metrics?.append(event)
    await this.#tensorboard?.append(event)
    this.#http?.append(event)
  }

  /** Writes the trained adapter, or model, and its model card, of what the directory's files say by now. */
  async finish(adapter: Adapter, lora: LoraConfig, info: TrainedInfo): Promise<void> {
    const write = await trainedFiles(adapter, lora, info, 'result')
    await write?.(this.path)
    if (this.#metrics) await writeFileAtomic(join(this.path, 'README.md'), modelCard(await readCardInfo(this.path)))
  }

  async close(): Promise<void> {
    const open = [this.#metrics, this.#tensorboard, this.#http]
    this.#metrics = this.#tensorboard = this.#http = undefined
    for (const each of open) await each?.close()
  }
}
