// trainLora: the third of the paper's three calls. Awaited, it trains; iterated, it tells every event.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { loadModel } from '@jora/llama'
import { MeshDevice } from '@jora/shard'
import type { Device } from '@jora/tensor'
import packageJson from '../../package.json' with { type: 'json' }
import type { Adapter } from '../adapter/adapter'
import { listCheckpoints, loadCheckpoint, removeUnfinishedCheckpoints, saveCheckpoint } from '../runs/checkpoint'
import { modelFolder, type JoraDataset } from './dataset'
import type { TrainEvent } from '../runs/events'
import { fingerprint, hashModel, hashSamples } from '../runs/hashes'
import type { JoraConfig } from '../settings/jora-config'
import { ConfigError, loraRank, loraScaling, type LoraConfig } from '../settings/lora-config'
import { fromFirst, writesFiles } from './on-mesh'
import { openMesh } from '../open/open-mesh'
import { loadAdapter } from '../adapter/read-adapter'
import { RunDirectory } from '../runs/run-directory'
import { countSteps, runTraining } from './trainer'

export interface TrainOptions {
  /** `auto`: the newest checkpoint of the output directory if there is one; or a checkpoint folder. */
  readonly resume?: 'auto' | (string & {}) | undefined
  /** Stops after the running step, leaving a checkpoint to resume from. */
  readonly signal?: AbortSignal | undefined
  readonly device?: Device | undefined
}

export interface TrainSummary {
  readonly outputDir: string
  readonly steps: number
  readonly totalSteps: number
  /** False when stopped by the signal. */
  readonly finished: boolean
  readonly finalLoss: number | undefined
  readonly adapter: Adapter
}

/** Version of this package, for run.json. */
export const joraVersion: string = packageJson.version

/** Rank and scale, for an error. */
function described({ r, alpha, useRslora, rankPattern, alphaPattern }: LoraConfig): string {
  const patterns = [
    rankPattern && `ranks ${JSON.stringify(rankPattern)}`,
    alphaPattern && `alphas ${JSON.stringify(alphaPattern)}`,
  ]
  return [`r ${r}`, `alpha ${alpha}`, `rsLoRA ${useRslora}`, ...patterns.filter(Boolean)].join(', ')
}

/** A run: starts when awaited or iterated, once. */
export class TrainRun implements PromiseLike<TrainSummary>, AsyncIterable<TrainEvent> {
  #summary: Promise<TrainSummary> | undefined

  constructor(
    readonly config: JoraConfig,
    readonly dataset: JoraDataset,
    readonly outputDir: string,
    readonly options: TrainOptions,
  ) {}

  /** Optimiser steps the whole run takes. */
  get totalSteps(): number {
    return countSteps(this.dataset.samples, this.config.train, this.#rowTokens)
  }

  /** Trees share rows of the length that a sample may have. */
  get #rowTokens(): number | undefined {
    return this.dataset.packing === 'tree' ? this.config.settings.maxSeqLength : undefined
  }

  // oxlint-disable-next-line unicorn/no-thenable -- `await trainLora(…)` is the paper's call
  then<A = TrainSummary, B = never>(
    onFulfilled?: ((value: TrainSummary) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#summary ??= (async () => {
      const events = this.#run()
      for (;;) {
        const next = await events.next()
        if (next.done) return next.value
      }
    })()
    return this.#summary.then(onFulfilled, onRejected)
  }

  /** Events as they happen; after the last, awaiting the run gives its summary. Leaving the loop early ends the run. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TrainEvent, void> {
    if (this.#summary) throw new Error('this run was already started; call trainLora again for another')
    let settle!: { resolve: (summary: TrainSummary) => void; reject: (error: unknown) => void }
    this.#summary = new Promise((resolve, reject) => (settle = { resolve, reject }))
    this.#summary.catch(() => {}) // thrown to whoever iterates
    try {
      settle.resolve(yield* this.#run())
    } catch (error) {
      settle.reject(error)
      throw error
    } finally {
      settle.reject(new Error('the run was left before its end')) // nothing once it is settled
    }
  }

  async *#run(): AsyncGenerator<TrainEvent, TrainSummary> {
    const { config, dataset, outputDir, options } = this
    const { settings } = config
    const device = options.device ?? (await openMesh(settings.device, settings))
    const { dir, id, revision } = await modelFolder(settings.modelPath)
    const model = await loadModel(dir, { device })
    const modelHash = await hashModel(dir)
    const print = fingerprint(config.train, modelHash, hashSamples(dataset.samples, this.#rowTokens))
    const initial =
      settings.initAdapter === undefined
        ? undefined
        : await this.#initialAdapter(settings.initAdapter, model.config, device)
    const found = await fromFirst(device, async () =>
      new TextEncoder().encode((await this.#checkpointToResume()) ?? ''),
    )
    const resumeFrom = found.length === 0 ? undefined : new TextDecoder().decode(found)
    const resumeStep =
      resumeFrom === undefined
        ? options.resume === undefined
          ? undefined
          : 0
        : Number(resumeFrom.match(/step-(\d+)$/)?.[1] ?? 0)
    const record = {
      version: joraVersion,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      device: device.name,
      deviceKind: device.kind,
      mesh: device instanceof MeshDevice ? device.mesh.toString() : null,
      settings,
      model: { folder: dir, id: id ?? null, revision: revision ?? null, hash: modelHash },
      dataset: {
        path: dataset.path,
        hash: dataset.hash,
        packing: dataset.packing,
        statistics: dataset.statistics,
      },
      fingerprint: print,
      totalSteps: this.totalSteps,
    }
    const { lora } = config.train
    // Before the directory is touched: a checkpoint of other settings is refused, and what is there stays.
    const resume =
      resumeFrom === undefined ? undefined : await loadCheckpoint(resumeFrom, model.config, lora, print, device)
    const keeps = writesFiles(device)
    const directory = keeps ? await RunDirectory.open(outputDir, record, resumeStep) : RunDirectory.none(outputDir)
    if (keeps) await removeUnfinishedCheckpoints(outputDir)
    const peft = { baseModel: id ?? settings.modelPath, revision }
    let { finalLoss } = directory.earlier
    const training = runTraining({
      model,
      config: config.train,
      train: dataset.samples,
      heldOut: dataset.heldOut,
      padId: dataset.tokenizer.padId ?? dataset.tokenizer.eosId ?? 0,
      rowTokens: this.#rowTokens,
      initialAdapter: initial,
      resume,
      saveCheckpoint: (state, progress) =>
        saveCheckpoint(outputDir, state, { ...progress, fingerprint: print }, lora, peft),
      signal: options.signal,
      device,
    })
    try {
      let next = await training.next()
      for (; !next.done; next = await training.next()) {
        const event = next.value
        if (event.type === 'step') finalLoss = event.loss
        // The adapter stands in the directory before the run says that it is done.
        if (event.type === 'done') break
        await directory.append(event)
        yield event
      }
      const doneEvent = next.done ? undefined : next.value
      const result = next.done ? next : await training.next()
      if (!result.done) throw new Error('the trainer went on after its last event')
      const { adapter, steps, finished } = result.value
      if (finished) await directory.finish(adapter, lora, peft)
      if (doneEvent) {
        await directory.append(doneEvent)
        yield doneEvent
      }
      return { outputDir, steps, totalSteps: this.totalSteps, finished, finalLoss, adapter }
    } catch (error) {
      await directory.append({ type: 'error', message: (error as Error).message })
      throw error
    } finally {
      await training.return(undefined as never) // releases its programs when the loop was left early
      await directory.close()
    }
  }

  async #initialAdapter(folder: string, model: Parameters<typeof loadAdapter>[1], device: Device): Promise<Adapter> {
    const { adapter, config } = await loadAdapter(folder, model, device)
    const want = this.config.train.lora
    const same = Object.keys(adapter).every(
      (module) =>
        loraRank(config, module) === loraRank(want, module) &&
        loraScaling(config, module) === loraScaling(want, module),
    )
    if (!same) throw new ConfigError(`${folder} has ${described(config)}; the run has ${described(want)}`)
    return adapter
  }

  async #checkpointToResume(): Promise<string | undefined> {
    const { resume } = this.options
    if (resume === undefined) return undefined
    if (resume === 'auto') return (await listCheckpoints(this.outputDir)).at(-1)
    const found = await stat(join(resume, 'trainer_state.json')).catch(() => undefined)
    if (!found) throw new ConfigError(`${resume} is not a checkpoint: trainer_state.json is missing`)
    return resume
  }
}

/**
 * Trains a LoRA adapter on `dataset` and leaves it, with metrics and checkpoints, in `outputDir`.
 *
 * `await trainLora(config, dataset, 'out')` runs to the end; `for await (const event of trainLora(…))` tells each step.
 */
export const trainLora = (
  config: JoraConfig,
  dataset: JoraDataset,
  outputDir: string,
  options: TrainOptions = {},
): TrainRun => new TrainRun(config, dataset, outputDir, options)
