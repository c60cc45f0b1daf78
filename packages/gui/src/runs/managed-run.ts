// One run as the server knows it: its folder, what is written there, and what of it a page is shown.
import { createHash } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Run, RunAction, RunState } from '../api'
import type { GuiRecord } from './gui-record'
import { readTail, type Tail } from './tail'

/** A run of a terminal counts as running while it has written this lately, or within so many of its steps. */
const [quietMs, quietSteps] = [20_000, 8]

export const idOf = (folder: string): string => createHash('sha256').update(folder).digest('hex').slice(0, 12)

/** What is used of run.json. */
interface RunJson {
  readonly totalSteps?: number
  readonly device?: string
  readonly settings?: {
    readonly modelPath?: string
    readonly promptTemplate?: string
    readonly contextTemplate?: string
  }
  readonly model?: { readonly folder?: string; readonly id?: string | null }
  readonly dataset?: { readonly path?: string }
  readonly [key: string]: unknown
}

const iso = (milliseconds: number): string => new Date(milliseconds).toISOString()

export class ManagedRun {
  readonly id: string
  /** Undefined for a run of a terminal. */
  record: GuiRecord | undefined
  /** Another living server has it. */
  isForeign = false
  /** Started by this process, whose end is told to it. */
  isChild = false
  tail: Tail | undefined
  json: RunJson | undefined
  /** As it was last told. */
  told = ''
  queuePosition: number | null = null
  #createdMs = 0
  #hasAdapter = false
  #checkpoint: string | undefined
  #seen = ''

  constructor(readonly folder: string) {
    this.id = idOf(folder)
  }

  get metricsPath(): string {
    return join(this.folder, 'metrics.jsonl')
  }

  /** Whether this server starts, queues and stops it. */
  get isOwn(): boolean {
    return this.record !== undefined && !this.isForeign
  }

  get state(): RunState {
    if (this.record) return this.record.state
    const { tail } = this
    if (!tail) return 'stopped'
    if (tail.done) return 'done'
    const quiet = Date.now() - tail.modifiedMs
    if (quiet < Math.max(quietMs, quietSteps * (tail.stepMs ?? 0)) && tail.last !== 'error') return 'running'
    return tail.error === null ? 'stopped' : 'failed'
  }

  /** Folder of the trained adapter, or of the newest checkpoint. */
  get adapter(): string | null {
    return this.#hasAdapter ? this.folder : (this.#checkpoint ?? null)
  }

  get hasCheckpoint(): boolean {
    return this.#checkpoint !== undefined
  }

  /** Looks at what is on disk, where it has changed. */
  async refresh(): Promise<void> {
    const [metrics, run, adapter, checkpoints] = await Promise.all(
      [
        this.metricsPath,
        ...['run.json', 'adapter_model.safetensors', 'checkpoints'].map((name) => join(this.folder, name)),
      ].map((path) => stat(path).catch(() => undefined)),
    )
    const seen = [metrics, run, adapter, checkpoints].map((found) => `${found?.mtimeMs}:${found?.size}`).join()
    if (seen === this.#seen) return
    this.#createdMs ||= run?.birthtimeMs || run?.mtimeMs || 0
    this.#hasAdapter = adapter !== undefined
    const names = checkpoints ? await readdir(join(this.folder, 'checkpoints')).catch(() => []) : []
    const newest = names
      .filter((name) => /^step-\d{8}$/.test(name))
      .sort()
      .at(-1)
    this.#checkpoint = newest === undefined ? undefined : join(this.folder, 'checkpoints', newest)
    this.tail = metrics ? await readTail(this.metricsPath) : undefined
    const text = run ? await readFile(join(this.folder, 'run.json'), 'utf8').catch(() => '') : ''
    try {
      this.json = text === '' ? undefined : (JSON.parse(text) as RunJson)
    } catch {
      this.json = undefined
    }
    this.#seen = seen
  }

  /** What a quickstart leaves when it is done. */
  async readQuickstart(): Promise<Record<string, unknown> | null> {
    try {
      return JSON.parse(await readFile(join(this.folder, 'quickstart.json'), 'utf8')) as Record<string, unknown>
    } catch {
      return null
    }
  }

  actions(): RunAction[] {
    const { record, state } = this
    if (!record || this.isForeign) return []
    const canPause = record.kind === 'train' && record.pending === null
    if (state === 'running')
      return [...(canPause ? ['pause' as const] : []), ...(record.pending === 'stop' ? [] : ['stop' as const])]
    if (state === 'queued') return ['remove']
    return state === 'done' ? [] : ['resume']
  }

  toRun(): Run {
    const { record, tail, json, state } = this
    const created = record?.createdAt ?? iso(this.#createdMs)
    const totalSteps = typeof json?.totalSteps === 'number' ? json.totalSteps : null
    const left = totalSteps === null || !tail ? null : Math.max(0, totalSteps - tail.step)
    const running = state === 'running'
    const settings = record?.settings
    return {
      id: this.id,
      name: record?.name ?? basename(this.folder),
      folder: this.folder,
      source: record ? 'gui' : 'terminal',
      kind: record?.kind ?? (json?.dataset?.path?.endsWith('raft.jsonl') ? 'quickstart' : 'train'),
      state,
      pending: record?.pending ?? null,
      actions: this.actions(),
      message: this.#message(),
      queuePosition: this.queuePosition,
      createdAt: created,
      startedAt: record ? record.startedAt : created,
      updatedAt: tail ? iso(tail.modifiedMs) : (record?.startedAt ?? created),
      model: settings?.model ?? json?.model?.id ?? json?.settings?.modelPath ?? null,
      dataset: settings?.dataset ?? json?.dataset?.path ?? null,
      device: typeof json?.device === 'string' ? json.device : null,
      step: tail?.step ?? 0,
      totalSteps,
      epoch: tail?.epoch ?? null,
      loss: tail?.loss ?? null,
      evalLoss: tail?.evalLoss ?? null,
      tokensPerSecond: running || state === 'done' ? (tail?.tokensPerSecond ?? null) : null,
      etaSeconds: running && left !== null && tail?.stepMs ? (left * tail.stepMs) / 1000 : null,
      hasAdapter: this.#hasAdapter,
      hasCheckpoint: this.hasCheckpoint,
    }
  }

  #message(): string | null {
    if (this.isForeign && this.record?.state !== 'done')
      return 'It belongs to another jora gui: use the page of that one to change it.'
    if (this.record) return this.record.message
    if (this.state === 'failed') return this.tail?.error ?? null
    return this.state === 'stopped'
      ? 'It was started in a terminal and ended early; --resume goes on with it there.'
      : null
  }
}
