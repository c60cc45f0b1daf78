// One run as the server knows it: its folder, what is written there, and what of it a page is shown.
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import {
  allows,
  controlFile,
  fold,
  LogReader,
  metricsFile,
  newRun,
  parseLine,
  readLog,
  speedOf,
  type ControlEvent,
  type RunEvent,
  type RunSnapshot,
  type TrainEvent,
} from '@jora/lora'
import { runActions, type Run, type RunAction, type RunLabel, type RunState } from '../api'
import type { GuiRecord } from './gui-record'
import { readLabel } from './label'

/** A run of a terminal counts as running while it has written this lately, or within so many of its steps. */
const [quietMs, quietSteps] = [20_000, 8]

export const idOf = (folder: string): string => createHash('sha256').update(folder).digest('hex').slice(0, 12)

/** What a page's actions ask of a run. */
const askedBy = { pause: 'pause', resume: 'queue', stop: 'stop', remove: 'unqueue' } as const satisfies Record<
  RunAction,
  ControlEvent['type']
>

/** What is used of run.json. */
interface RunJson {
  readonly totalSteps?: number
  readonly startedAt?: string
  readonly device?: string
  readonly settings?: {
    readonly modelPath?: string
    readonly promptTemplate?: string
    readonly contextTemplate?: string
    readonly finetuningType?: string
  }
  readonly model?: { readonly folder?: string; readonly id?: string | null; readonly hash?: string }
  readonly dataset?: { readonly path?: string }
  readonly [key: string]: unknown
}

/** Weights of an adapter, or of a model: one of them is there once the run is done. */
const resultFiles = ['adapter_model.safetensors', 'model.safetensors', 'model.safetensors.index.json']

const iso = (milliseconds: number): string => new Date(milliseconds).toISOString()

export class ManagedRun {
  readonly id: string
  /** Undefined for a run of a terminal. */
  record: GuiRecord | undefined
  /** Another living server has it. */
  isForeign = false
  /** Started by this process, whose end is told to it. */
  isChild = false
  json: RunJson | undefined
  /** What people call it and note of it. */
  label: RunLabel = {}
  /** As it was last told. */
  told = ''
  queuePosition: number | null = null
  #snapshot: RunSnapshot = newRun
  #control: readonly ControlEvent[] = []
  #metrics: LogReader
  #metricsMs: number | undefined
  #createdMs = 0
  #jsonMs = 0
  /** Whether what was trained is in its folder. */
  #isThere = false
  #checkpoint: string | undefined
  #seen = ''
  #reading: Promise<void> = Promise.resolve()

  constructor(readonly folder: string) {
    this.id = idOf(folder)
    this.#metrics = new LogReader(this.metricsPath)
  }

  get metricsPath(): string {
    return join(this.folder, metricsFile)
  }

  /** Whether this server starts, queues and stops it. */
  get isOwn(): boolean {
    return this.record !== undefined && !this.isForeign
  }

  /** Whether it has a process, or is about to. */
  get isActive(): boolean {
    return this.state === 'running' || this.state === 'starting'
  }

  /** What its files come to. */
  get snapshot(): RunSnapshot {
    return this.#snapshot
  }

  get hasMetrics(): boolean {
    return this.#metricsMs !== undefined
  }

  get state(): RunState {
    const { state, isWatched } = this.#snapshot
    if (isWatched || this.record) return state
    if (this.#metricsMs === undefined) return 'stopped'
    if (state !== 'starting' && state !== 'running') return state
    const quiet = Date.now() - this.#metricsMs
    return quiet < Math.max(quietMs, quietSteps * (speedOf(this.#snapshot).stepMs ?? 0)) ? 'running' : 'stopped'
  }

  /** What it trains: an adapter beside the model, or weights of the model itself. */
  get trains(): Run['trains'] {
    const { finetuningType = 'lora' } = this.record?.settings ?? this.json?.settings ?? {}
    return finetuningType === 'lora' ? 'adapter' : 'model'
  }

  /** Folder of what was trained, or of the newest checkpoint. */
  get trained(): string | null {
    return this.#isThere ? this.folder : (this.#checkpoint ?? null)
  }

  /** {@link trained} of a run that trains an adapter. */
  get adapter(): string | null {
    return this.trains === 'adapter' ? this.trained : null
  }

  get hasCheckpoint(): boolean {
    return this.#checkpoint !== undefined
  }

  /**
   * Takes what control.jsonl says, for a run of which nothing is known, or that another server has; where there is none,
   * `older`.
   * @returns whether there was one
   */
  async readControl(older: readonly ControlEvent[] = []): Promise<boolean> {
    let isThere = false
    await this.#inTurn(async () => {
      const lines = await readLog(join(this.folder, controlFile))
      isThere = lines.length > 0
      const events = isThere ? lines.map((line) => parseLine<ControlEvent>(line)!) : older
      const isSame = this.#control.every((event, i) => JSON.stringify(event) === JSON.stringify(events[i]))
      const fresh = isSame ? events.slice(this.#control.length) : events
      this.#control = events
      if (!isSame) {
        this.#snapshot = newRun
        this.#metrics = new LogReader(this.metricsPath)
        this.#fold(this.#firstWord())
      }
      this.#fold(fresh)
    })
    return isThere
  }

  /** Something happens to it. @returns whether it can */
  apply(event: ControlEvent): boolean {
    if (this.#control.length > 0 && !allows(this.#snapshot, event.type)) return false
    this.#control = [...this.#control, event]
    this.#snapshot = fold(this.#snapshot, event)
    return true
  }

  /** Looks at what is on disk, where it has changed. */
  refresh(): Promise<void> {
    return this.#inTurn(() => this.#refresh())
  }

  /** One reading after another: each goes on from where the last was. */
  #inTurn(read: () => Promise<void>): Promise<void> {
    this.#reading = this.#reading.catch(() => {}).then(read)
    return this.#reading
  }

  async #refresh(): Promise<void> {
    const [metrics, run, checkpoints, ...results] = await Promise.all(
      [this.metricsPath, ...['run.json', 'checkpoints', ...resultFiles].map((name) => join(this.folder, name))].map(
        (path) => stat(path).catch(() => undefined),
      ),
    )
    this.label = await readLabel(this.folder)
    await this.#readMetrics()
    this.#metricsMs = metrics?.mtimeMs
    const seen = [run, checkpoints, ...results].map((found) => `${found?.ino}:${found?.mtimeMs}:${found?.size}`).join()
    if (seen === this.#seen) return
    this.#createdMs ||= run?.birthtimeMs || run?.mtimeMs || 0
    this.#isThere = results.some((found) => found !== undefined)
    const names = checkpoints ? await readdir(join(this.folder, 'checkpoints')).catch(() => []) : []
    const newest = names
      .filter((name) => /^step-\d{8}$/.test(name))
      .sort()
      .at(-1)
    this.#checkpoint = newest === undefined ? undefined : join(this.folder, 'checkpoints', newest)
    const text = run ? await readFile(join(this.folder, 'run.json'), 'utf8').catch(() => '') : ''
    this.json = parseLine<RunJson>(text)
    this.#jsonMs = run?.mtimeMs ?? 0
    this.#fold(this.#firstWord())
    this.#seen = seen
  }

  /** Lines of metrics.jsonl that are new; all, where it is another file than before. */
  async #readMetrics(): Promise<void> {
    const news = await this.#metrics.read()
    if (!news) return
    if (news.isAnew) {
      this.#snapshot = newRun
      this.#fold([...this.#control, ...this.#firstWord()])
    }
    this.#fold(news.lines.map((line) => parseLine<TrainEvent>(line)!))
  }

  /** What run.json says: the trainer has begun. */
  #firstWord(): readonly RunEvent[] {
    if (!this.json) return []
    const { startedAt, totalSteps } = this.json
    // Earlier versions did not say when; the file does.
    const at = Date.parse(String(startedAt)) || this.#jsonMs
    return [{ type: 'begin', at, totalSteps: typeof totalSteps === 'number' ? totalSteps : null }]
  }

  #fold(events: readonly RunEvent[]): void {
    this.#snapshot = events.reduce(fold, this.#snapshot)
  }

  /** What a quickstart leaves when it is done. */
  async readQuickstart(): Promise<Record<string, unknown> | null> {
    const text = await readFile(join(this.folder, 'quickstart.json'), 'utf8').catch(() => '')
    return parseLine<Record<string, unknown>>(text) ?? null
  }

  actions(): RunAction[] {
    const { record } = this
    if (!record || this.isForeign) return []
    const { pending } = this.#snapshot
    return runActions.filter((action) => {
      if (action === 'pause' && (record.kind !== 'train' || pending !== null)) return false
      if (action === 'stop' && pending === 'stop') return false
      return allows(this.#snapshot, askedBy[action])
    })
  }

  /** Whether nothing of it runs or waits, and its folder was made here. */
  get canDelete(): boolean {
    return this.isOwn && !this.isActive && this.state !== 'queued'
  }

  toRun(): Run {
    const { record, json, state } = this
    const { step, totalSteps, epoch, loss, evalLoss, pending, startedAt } = this.#snapshot
    const speed = speedOf(this.#snapshot)
    const created = record?.createdAt ?? iso(this.#createdMs)
    const started = record ? (startedAt > 0 ? iso(startedAt) : null) : created
    const left = totalSteps === null || !this.hasMetrics ? null : Math.max(0, totalSteps - step)
    const running = state === 'running'
    const settings = record?.settings
    return {
      id: this.id,
      name: this.label.name || (record?.name ?? basename(this.folder)),
      folder: this.folder,
      source: record ? 'gui' : 'terminal',
      kind: record?.kind ?? (json?.dataset?.path?.endsWith('raft.jsonl') ? 'quickstart' : 'train'),
      state,
      pending,
      actions: this.actions(),
      message: this.#message(),
      queuePosition: this.queuePosition,
      createdAt: created,
      startedAt: started,
      updatedAt: this.#metricsMs === undefined ? (started ?? created) : iso(this.#metricsMs),
      model: settings?.model ?? json?.model?.id ?? json?.settings?.modelPath ?? null,
      dataset: settings?.dataset ?? json?.dataset?.path ?? null,
      device: typeof json?.device === 'string' ? json.device : null,
      step,
      totalSteps,
      epoch,
      loss,
      evalLoss,
      tokensPerSecond: running || state === 'done' ? speed.tokensPerSecond : null,
      etaSeconds: running && left !== null && speed.stepMs ? (left * speed.stepMs) / 1000 : null,
      trains: this.trains,
      hasAdapter: this.#isThere,
      hasCheckpoint: this.hasCheckpoint,
      note: this.label.note || null,
      canDelete: this.canDelete,
    }
  }

  #message(): string | null {
    if (this.isForeign && this.state !== 'done')
      return 'It belongs to another jora gui: use the page of that one to change it.'
    if (this.record) return this.#snapshot.message
    if (this.state === 'failed') return this.#snapshot.error
    return this.state === 'stopped'
      ? 'It was started in a terminal and ended early; --resume continues it there.'
      : null
  }
}
