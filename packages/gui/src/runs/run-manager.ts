// All runs: those of this server, queued and one at a time, and those that others left or leave under the roots.
import { randomUUID } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '@jora/tensor/files'
import type { ChangeEvent, CreateRun, Run, RunAction } from '../api'
import type { Roots } from '../files/roots'
import { isAlive, markOf } from '../process/alive'
import { flags, type Command } from '../process/command'
import { Failure } from '../server/failure'
import { configFile, readRecord, strayed, writeRecord, type GuiRecord, type Seal } from './gui-record'
import { idOf, ManagedRun } from './managed-run'
import { newRunFolder } from './new-folder'
import { outcomeOf, type ProcessEnd } from './outcome'
import { configText } from './run-config'
import { interrupt, startRun } from './run-process'
import { scanFolders } from './scan'
import { Stopper } from './stopper'

export interface RunManagerOptions {
  readonly roots: Roots
  readonly command: Command
  /** An empty folder that children start in: no name means a file there. */
  readonly cwd: string
  /** Runs at once. */
  readonly concurrency: number
  /** Where runs are made unless they say otherwise. */
  readonly runsFolder: string
  /** Marks records as this server's own. */
  readonly seal: Seal
}

type Listener = (change: Extract<ChangeEvent, { event: 'run' | 'removed' }>) => void

const pollMs = 500
const scanMs = 3000

export class RunManager {
  readonly #runs = new Map<string, ManagedRun>()
  readonly #listeners = new Set<Listener>()
  readonly #options: RunManagerOptions
  readonly #writes = new Map<string, Promise<void>>()
  readonly #stopper = new Stopper()
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
    this.#stopper.close()
    await Promise.allSettled([this.#filling, this.#scanning])
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
    const folder = await newRunFolder(parent, name)
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
    if (record.process) this.#stopper.stop(id, record.process, isAsked)
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

  /** Starts what the queue holds, as far as there is room; one call after another. */
  #fill(): void {
    this.#numberQueue()
    const fill = async () => {
      while (!this.#closed) {
        const own = [...this.#runs.values()].filter((run) => run.isOwn)
        const running = own.filter((run) => run.record!.state === 'running')
        const [next] = this.#queue()
        if (!next || running.length >= this.#options.concurrency) break
        await this.#start(next)
      }
      this.#numberQueue()
    }
    // What cannot be written does not hold up the others.
    this.#filling = this.#filling.then(fill).catch(() => {})
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
      void ended.then((end) => this.#settle(run, end)).catch(() => {})
    } catch (error) {
      failed = error as Error
    }
    if (failed) Object.assign(record, { state: 'failed', message: `It could not be started: ${failed.message}` })
    await this.#save(run)
  }

  async #argumentsOf(run: ManagedRun): Promise<string[]> {
    const { kind, device, settings } = run.record!
    if (kind === 'train') {
      // Anew with each start: what is checked is what is run.
      await writeFileAtomic(join(run.folder, configFile), configText(settings!, run.folder))
      const resume = run.tail === undefined ? undefined : 'auto'
      return ['train', ...flags({ config: join(run.folder, configFile), resume })]
    }
    // A quickstart begins anew, and clears only what it knows to be its own.
    if (run.json === undefined) await rm(join(run.folder, 'raft.jsonl'), { force: true })
    return ['quickstart', ...flags({ 'output-dir': run.folder, device })]
  }

  /** A run's process has ended. */
  async #settle(run: ManagedRun, end: ProcessEnd): Promise<void> {
    const { record } = run
    if (this.#closed || record?.state !== 'running') return
    this.#stopper.release(run.id)
    await run.refresh().catch(() => {})
    Object.assign(record, { ...(await outcomeOf(run, end)), pending: null, process: null })
    run.isChild = false
    await this.#save(run)
    this.#fill()
  }

  async #scan(): Promise<void> {
    const { roots } = this.#options
    const found = await scanFolders(roots.roots.map(({ path }) => path))
    this.#models = found.models
    const ids = new Set(found.runs.map(idOf))
    for (const folder of found.runs) {
      if (this.#closed) return
      if (this.#removed.has(idOf(folder))) continue
      // What cannot be read or written does not hide the others.
      await this.#look(folder).catch(() => {})
    }
    for (const [id, run] of this.#runs) {
      const isBusy = run.record?.state === 'running' || run.record?.state === 'queued'
      if (ids.has(id) || (isBusy && run.isOwn)) continue
      this.#runs.delete(id)
      this.#tell({ event: 'removed', id })
    }
  }

  async #look(folder: string): Promise<void> {
    const known = this.#runs.get(idOf(folder))
    const run = known ?? new ManagedRun(folder)
    if (known === undefined || known.isForeign || !known.record) await this.#take(run)
    await run.refresh()
    // gui.json of another version, or damaged, and nothing beside it.
    if (!run.record && !run.tail) return
    this.#runs.set(run.id, run)
    this.#tellRun(run)
  }

  /** Reads gui.json of a run that is not ours yet, and makes it ours if no other server lives that has it. */
  async #take(run: ManagedRun): Promise<void> {
    const found = await readRecord(run.folder, this.#options.seal)
    // Created in this very moment by create(): that is the one in charge.
    if (!found || this.#runs.get(run.id)?.isOwn) return
    const { isSealed } = found
    const { server, process: started } = found.record
    const isSelf = server !== null && server.instance === this.#self?.instance
    const isHeld = server !== null && !isSelf && (await isAlive(server))
    // Of a server with another state folder, only looked at while its process runs.
    run.isForeign = isHeld || (!isSealed && started !== null && (await isAlive(started)))
    const record = run.isForeign || isSealed ? found.record : strayed(found.record)
    run.record = record
    if (run.isForeign) return
    if (record.state === 'running') {
      this.#runs.set(run.id, run)
      record.server = this.#self
      if (record.process && (await isAlive(record.process))) {
        if (record.pending === 'stop') this.#stopper.stop(run.id, record.process, false)
        await this.#save(run)
      } else await this.#settle(run, {})
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
      if (isTakenUp && !(record.process && (await isAlive(record.process)))) await this.#settle(run, {})
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
      .then(() => writeRecord(run.folder, text, this.#options.seal))
    this.#writes.set(run.id, write)
    return write
  }
}
