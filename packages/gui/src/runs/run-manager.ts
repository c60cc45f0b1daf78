// All runs: those of this server, queued and one at a time, and those that others left or leave under the roots.
import { randomUUID } from 'node:crypto'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder, writeFileAtomic } from '@jora/lora'
import type { ChangeEvent, CreateRun, Run, RunAction } from '../api'
import type { Roots } from '../files/roots'
import { isAlive, markOf, type ProcessMark } from '../process/alive'
import { flags, type Command } from '../process/command'
import { Failure } from '../server/failure'
import { configFile, logFile, readRecord, writeRecord, type GuiRecord } from './gui-record'
import { idOf, ManagedRun } from './managed-run'
import { configText } from './run-config'
import { interrupt, kill, startRun } from './run-process'
import { scanFolders } from './scan'

export interface RunManagerOptions {
  readonly roots: Roots
  readonly command: Command
  /** An empty folder that children start in: no name means a file there. */
  readonly cwd: string
  /** Runs at once. */
  readonly concurrency: number
  /** Where runs are made unless they say otherwise. */
  readonly runsFolder: string
  /** From asking a run to stop: asked again, and ended. */
  readonly stopAfterMs?: readonly [again: number, kill: number]
}

type Listener = (change: Extract<ChangeEvent, { event: 'run' | 'removed' }>) => void

const pollMs = 500
const scanMs = 3000

/** A name as a folder's. */
const folderName = (name: string): string =>
  name
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N}._-]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 60) || 'run'

export class RunManager {
  readonly #runs = new Map<string, ManagedRun>()
  readonly #listeners = new Set<Listener>()
  readonly #options: RunManagerOptions
  readonly #writes = new Map<string, Promise<void>>()
  /** Timers that end runs which do not stop. */
  readonly #stopping = new Map<string, NodeJS.Timeout[]>()
  /** Taken out for good: a scan that began earlier may still find them. */
  readonly #removed = new Set<string>()
  /** Written into the records of the runs it has. */
  #self: GuiRecord['server'] = null
  #closed = false
  #poll: NodeJS.Timeout | undefined
  #scanTimer: NodeJS.Timeout | undefined
  #scanning: Promise<void> | undefined
  #filling: Promise<void> = Promise.resolve()
  #models: readonly string[] = []

  constructor(options: RunManagerOptions) {
    this.#options = options
  }

  /** Finds what is there, takes up what still runs, and goes on with the queue. */
  async open(): Promise<void> {
    const mark = await markOf(process.pid)
    this.#self = mark ? { ...mark, instance: randomUUID() } : null
    await this.scan()
    const poll = async () => {
      await this.#refreshActive().catch(() => {})
      if (!this.#closed) this.#poll = setTimeout(poll, pollMs).unref()
    }
    this.#poll = setTimeout(poll, pollMs).unref()
    const scan = async () => {
      const began = performance.now()
      await this.scan().catch(() => {})
      // Large trees are looked through less often.
      const pause = Math.max(scanMs, 20 * (performance.now() - began))
      if (!this.#closed) this.#scanTimer = setTimeout(scan, pause).unref()
    }
    this.#scanTimer = setTimeout(scan, scanMs).unref()
    this.#fill()
  }

  /** Lets go of all runs: those that run go on. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#poll)
    clearTimeout(this.#scanTimer)
    for (const timers of this.#stopping.values()) timers.forEach(clearTimeout)
    await this.#filling.catch(() => {})
    for (const run of this.#runs.values()) {
      if (!run.isOwn || (run.state !== 'running' && run.state !== 'queued')) continue
      run.record!.server = null
      void this.#save(run)
    }
    await Promise.allSettled(this.#writes.values())
  }

  /** Folders with a config.json, as last found. */
  get modelFolders(): readonly string[] {
    return this.#models
  }

  /** Newest first. */
  list(): Run[] {
    return [...this.#runs.values()].map((run) => run.toRun()).sort((a, b) => b.createdAt.localeCompare(a.createdAt))
  }

  /** @throws Failure when there is no such run */
  get(id: string): ManagedRun {
    const run = this.#runs.get(id)
    if (!run)
      throw new Failure('not_found', 'There is no such run. It may have been removed, or lies outside the roots.')
    return run
  }

  onChange(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Looks for runs that came or went. */
  scan(): Promise<void> {
    this.#scanning ??= this.#scan().finally(() => (this.#scanning = undefined))
    return this.#scanning
  }

  /** Queues a run. Its settings have been checked. */
  async create(request: CreateRun): Promise<Run> {
    const now = new Date()
    const name = request.name?.trim() || `${request.kind} ${now.toISOString().slice(0, 16).replace('T', ' ')}`
    const parent = await this.#options.roots.newFolder(request.folder ?? this.#options.runsFolder, 'folder')
    const folder = await this.#makeFolder(parent, folderName(name))
    const run = new ManagedRun(folder)
    this.#removed.delete(run.id)
    run.record = {
      version: 1,
      name,
      kind: request.kind,
      settings: request.kind === 'train' ? request.settings : null,
      ...(request.kind === 'quickstart' && request.device ? { device: request.device } : {}),
      state: 'queued',
      pending: null,
      message: null,
      createdAt: now.toISOString(),
      startedAt: null,
      queuedAt: now.getTime(),
      process: null,
      server: this.#self,
    }
    if (request.kind === 'train') await writeFileAtomic(join(folder, configFile), configText(request.settings, folder))
    this.#runs.set(run.id, run)
    await this.#save(run)
    this.#fill()
    return run.toRun()
  }

  /** Stops after the running step, with a checkpoint. */
  async pause(id: string): Promise<Run> {
    const { run, record } = this.#permitted(id, 'pause')
    record.pending = 'pause'
    await this.#save(run)
    if (record.process) interrupt(record.process)
    return run.toRun()
  }

  /** Queues a run again, from its newest checkpoint. */
  async resume(id: string): Promise<Run> {
    const { run, record } = this.#permitted(id, 'resume')
    Object.assign(record, {
      state: 'queued',
      pending: null,
      message: null,
      queuedAt: Date.now(),
      server: this.#self,
    })
    await this.#save(run)
    this.#fill()
    return run.toRun()
  }

  /** Ends a run within five seconds, with a checkpoint if its step ends in time. */
  async stop(id: string): Promise<Run> {
    const { run, record } = this.#permitted(id, 'stop')
    const isAsked = record.pending === 'pause'
    record.pending = 'stop'
    await this.#save(run)
    this.#end(run, isAsked)
    return run.toRun()
  }

  /** Takes a run out of the queue; of one that never ran, the folder goes too. */
  async remove(id: string): Promise<Run> {
    const { run, record } = this.#permitted(id, 'remove')
    const last = run.toRun()
    if (record.startedAt === null) {
      this.#removed.add(id)
      this.#runs.delete(id)
      await this.#writes.get(id)?.catch(() => {})
      await rm(run.folder, { recursive: true, force: true })
      this.#tell({ event: 'removed', id })
    } else {
      Object.assign(record, { state: 'stopped', message: 'It was taken out of the queue.' })
      await this.#save(run)
    }
    this.#numberQueue()
    return last
  }

  #permitted(id: string, action: RunAction): { run: ManagedRun; record: GuiRecord } {
    const run = this.get(id)
    const { record } = run
    if (record && run.actions().includes(action)) return { run, record }
    const why = !record
      ? 'it was started in a terminal, where it can be stopped and resumed'
      : run.isForeign
        ? 'it belongs to another jora gui'
        : record.pending
          ? `it is ${record.state} and about to ${record.pending}`
          : `it is ${record.state}`
    throw new Failure('conflict', `This run cannot ${action} now: ${why}.`)
  }

  async #makeFolder(parent: string, name: string): Promise<string> {
    await makeFolder(parent)
    for (let n = 1; n < 1000; n++) {
      const folder = join(parent, n === 1 ? name : `${name}-${n}`)
      try {
        await mkdir(folder)
        return folder
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
        throw new Failure('failed', `${folder} cannot be made: ${(error as Error).message}`)
      }
    }
    throw new Failure('conflict', `There are a thousand runs called ${name} already; choose another name.`)
  }

  /** Interrupts a run, and ends it if it does not stop. */
  #end(run: ManagedRun, isAsked = false): void {
    const { process: mark } = run.record!
    if (!mark) return
    if (!isAsked) interrupt(mark)
    const [again, end] = this.#options.stopAfterMs ?? [3500, 4500]
    const still = async (act: (mark: ProcessMark) => void) => {
      if (run.record?.process === mark && (await isAlive(mark))) act(mark)
    }
    this.#stopping.set(run.id, [
      setTimeout(() => void still(interrupt), isAsked ? 0 : again),
      setTimeout(() => void still(kill), end),
    ])
  }

  /** Starts what the queue holds, as far as there is room; one call after another. */
  #fill(): void {
    this.#numberQueue()
    this.#filling = this.#filling.then(async () => {
      while (!this.#closed) {
        const own = [...this.#runs.values()].filter((run) => run.isOwn)
        const running = own.filter((run) => run.record!.state === 'running')
        const [next] = this.#queue()
        if (!next || running.length >= this.#options.concurrency) break
        await this.#start(next)
      }
      this.#numberQueue()
    })
  }

  #queue(): ManagedRun[] {
    return [...this.#runs.values()]
      .filter((run) => run.isOwn && run.record!.state === 'queued')
      .sort((a, b) => a.record!.queuedAt - b.record!.queuedAt)
  }

  #numberQueue(): void {
    const positions = new Map(this.#queue().map((run, i) => [run.id, i + 1]))
    for (const run of this.#runs.values()) {
      run.queuePosition = positions.get(run.id) ?? null
      this.#tellRun(run)
    }
  }

  async #start(run: ManagedRun): Promise<void> {
    const record = run.record!
    await run.refresh()
    let failed: Error | undefined
    try {
      const { mark, ended } = await startRun(
        this.#options.command,
        await this.#argumentsOf(run),
        run.folder,
        this.#options.cwd,
      )
      Object.assign(record, {
        state: 'running',
        message: null,
        startedAt: new Date().toISOString(),
        process: mark ?? null,
        server: this.#self,
      })
      run.isChild = true
      void ended.then(({ code, error }) => this.#settle(run, code, error))
    } catch (error) {
      failed = error as Error
    }
    if (failed) Object.assign(record, { state: 'failed', message: `It could not be started: ${failed.message}` })
    await this.#save(run)
  }

  async #argumentsOf(run: ManagedRun): Promise<string[]> {
    const { kind, device } = run.record!
    if (kind === 'train') {
      const resume = run.tail === undefined ? undefined : 'auto'
      return ['train', ...flags({ config: join(run.folder, configFile), resume })]
    }
    // A quickstart begins anew, and clears only what it knows to be its own.
    if (run.json === undefined) await rm(join(run.folder, 'raft.jsonl'), { force: true })
    return ['quickstart', ...flags({ 'output-dir': run.folder, device })]
  }

  /** A run's process has ended. `code` is not known of a process that was taken up after a restart. */
  async #settle(run: ManagedRun, code: number | null | undefined, error?: Error): Promise<void> {
    const { record } = run
    if (this.#closed || record?.state !== 'running') return
    this.#stopping.get(run.id)?.forEach(clearTimeout)
    this.#stopping.delete(run.id)
    await run.refresh().catch(() => {})
    Object.assign(record, { ...(await this.#outcome(run, code, error)), pending: null, process: null })
    run.isChild = false
    await this.#save(run)
    this.#fill()
  }

  async #outcome(
    run: ManagedRun,
    code: number | null | undefined,
    error: Error | undefined,
  ): Promise<Pick<GuiRecord, 'state' | 'message'>> {
    const { kind, pending } = run.record!
    if (error) return { state: 'failed', message: `It could not be started: ${error.message}` }
    const left = await readFile(join(run.folder, 'quickstart.json')).catch(() => undefined)
    const isDone = kind === 'train' ? run.tail?.done === true : left !== undefined
    if (isDone && (code === 0 || code === undefined || pending !== null)) return { state: 'done', message: null }
    const goesOn = run.hasCheckpoint && kind === 'train'
    const kept = goesOn ? null : 'There is no checkpoint yet: it will begin anew when it is resumed.'
    if (pending !== null) return { state: pending === 'pause' && goesOn ? 'paused' : 'stopped', message: kept }
    const told = await this.#lastError(run)
    const interrupted = code === 130 || (code === undefined && told === undefined && run.tail?.last === 'checkpoint')
    if (interrupted) return { state: 'stopped', message: 'It was interrupted by someone else.' }
    const message =
      told ??
      run.tail?.error ??
      `It ended without a reason${code == null ? '' : ` (code ${code})`}; its log may tell more.`
    return { state: 'failed', message }
  }

  async #lastError(run: ManagedRun): Promise<string | undefined> {
    const text = await readFile(join(run.folder, logFile), 'utf8').catch(() => '')
    const lines = text.slice(-20_000).trimEnd().split('\n')
    // Only of this start: an earlier one's error stands further up.
    return lines
      .slice(-3)
      .findLast((line) => line.startsWith('error: '))
      ?.slice(7)
  }

  async #scan(): Promise<void> {
    const { roots } = this.#options
    const found = await scanFolders(roots.roots.map(({ path }) => path))
    this.#models = found.models
    const ids = new Set(found.runs.map(idOf))
    for (const folder of found.runs) {
      if (this.#removed.has(idOf(folder))) continue
      const known = this.#runs.get(idOf(folder))
      const run = known ?? new ManagedRun(folder)
      if (known === undefined || known.isForeign || !known.record) await this.#take(run)
      await run.refresh().catch(() => {})
      // gui.json of another version, or damaged, and nothing beside it.
      if (!run.record && !run.tail) continue
      this.#runs.set(run.id, run)
      this.#tellRun(run)
    }
    for (const [id, run] of this.#runs) {
      const isBusy = run.record?.state === 'running' || run.record?.state === 'queued'
      if (ids.has(id) || (isBusy && run.isOwn)) continue
      this.#runs.delete(id)
      this.#tell({ event: 'removed', id })
    }
  }

  /** Reads gui.json of a run that is not ours yet, and makes it ours if no other server lives that has it. */
  async #take(run: ManagedRun): Promise<void> {
    const record = await readRecord(run.folder)
    if (!record) return
    // Created in this very moment by create(): that is the one in charge.
    if (this.#runs.get(run.id)?.isOwn) return
    run.record = record
    const { server } = record
    const isSelf = server?.instance === this.#self?.instance
    run.isForeign = server !== null && !isSelf && (await isAlive(server))
    if (run.isForeign) return
    if (record.state === 'running') {
      this.#runs.set(run.id, run)
      record.server = this.#self
      if (record.process && (await isAlive(record.process))) {
        if (record.pending === 'stop') this.#end(run)
        await this.#save(run)
      } else await this.#settle(run, undefined)
    } else if (record.state === 'queued') {
      record.server = this.#self
      this.#runs.set(run.id, run)
      await this.#save(run)
      this.#fill()
    }
  }

  async #refreshActive(): Promise<void> {
    for (const run of this.#runs.values()) {
      if (run.state !== 'running') continue
      await run.refresh().catch(() => {})
      const { record } = run
      const isTakenUp = run.isOwn && !run.isChild && record?.state === 'running'
      if (isTakenUp && !(record.process && (await isAlive(record.process)))) await this.#settle(run, undefined)
      this.#tellRun(run)
    }
  }

  #tellRun(run: ManagedRun): void {
    if (this.#runs.get(run.id) !== run) return
    const shown = run.toRun()
    const text = JSON.stringify(shown)
    if (text === run.told) return
    run.told = text
    this.#tell({ event: 'run', run: shown })
  }

  #tell(change: Parameters<Listener>[0]): void {
    for (const listener of this.#listeners) listener(change)
  }

  /** Tells a run's new state, and writes it: one write after another. */
  #save(run: ManagedRun): Promise<void> {
    this.#tellRun(run)
    const text = structuredClone(run.record!)
    const write = (this.#writes.get(run.id) ?? Promise.resolve())
      .catch(() => {})
      .then(() => writeRecord(run.folder, text))
    this.#writes.set(run.id, write)
    return write
  }
}
