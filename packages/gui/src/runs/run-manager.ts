// All runs: those of this server, queued and one at a time, and those that others left or leave under the roots.
import { randomUUID } from 'node:crypto'
import { allows, type ControlEvent } from '@jora/lora'
import type { ChangeEvent, CreateRun, Run, RunAction, RunLabel } from '../api'
import type { Roots } from '../files/roots'
import { isAlive, markOf } from '../process/alive'
import type { Command } from '../process/command'
import { Failure } from '../server/failure'
import { readRecord, type GuiRecord, type Seal } from './gui-record'
import { deleteFolder, writeLabel } from './label'
import { idOf, ManagedRun } from './managed-run'
import { newRunFolder } from './new-folder'
import { interrupt } from './run-process'
import { RunStore } from './run-store'
import { scanFolders } from './scan'
import { endOf, notStarted, startProcess, type ProcessEnd } from './start'
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
  readonly #store: RunStore
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
    this.#store = new RunStore(options.seal)
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
      if (!run.isOwn || !(run.isActive || run.state === 'queued')) continue
      run.record!.server = null
      void this.#store.save(run)
    }
    await this.#store.allSettled()
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
    if (!run) throw new Failure('not_found', 'There is no such run. It may have been removed, or is outside the roots.')
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
    const wanted = request.name?.trim() || `${request.kind} ${now.toISOString().slice(0, 16).replace('T', ' ')}`
    const parent = await this.#options.roots.newFolder(request.folder ?? this.#options.runsFolder, 'folder')
    const { name, folder } = await newRunFolder(parent, wanted, (taken) =>
      [...this.#runs.values()].some((run) => run.toRun().name === taken),
    )
    const run = new ManagedRun(folder)
    this.#removed.delete(run.id)
    run.record = {
      version: 2,
      name,
      kind: request.kind,
      settings: request.kind === 'train' ? request.settings : null,
      ...(request.kind === 'quickstart' && request.device ? { device: request.device } : {}),
      createdAt: now.toISOString(),
      process: null,
      logFrom: 0,
      server: this.#self,
    }
    this.#runs.set(run.id, run)
    return this.#queue(run)
  }

  /** Stops after the running step, with a checkpoint. */
  async pause(id: string): Promise<Run> {
    const { run, record } = this.#permitted(id, 'pause')
    await this.#happens(run, { type: 'pause' })
    if (record.process && run.isActive) interrupt(record.process)
    return run.toRun()
  }

  /** Queues a run again, from its newest checkpoint. */
  async resume(id: string): Promise<Run> {
    const { run, record } = this.#permitted(id, 'resume')
    record.server = this.#self
    return this.#queue(run)
  }

  /** Ends a run within five seconds, with a checkpoint if its step ends in time. */
  async stop(id: string): Promise<Run> {
    const { run, record } = this.#permitted(id, 'stop')
    const isAsked = run.snapshot.pending === 'pause'
    await this.#happens(run, { type: 'stop' })
    if (record.process && run.isActive) this.#stopper.stop(id, record.process, isAsked)
    return run.toRun()
  }

  /** Takes a run out of the queue; of one that never ran, the folder goes too. */
  async remove(id: string): Promise<Run> {
    const { run } = this.#permitted(id, 'remove')
    const last = run.toRun()
    if (run.snapshot.startedAt === 0) await this.#discard(run)
    else await this.#happens(run, { type: 'unqueue', message: 'It was taken out of the queue.' })
    this.#numberQueue()
    return last
  }

  /** Names a run, or notes something of it. */
  async label(id: string, label: RunLabel): Promise<Run> {
    const run = this.get(id)
    run.label = { ...run.label, ...label }
    await writeLabel(run.folder, run.label)
    this.#tellRun(run)
    return run.toRun()
  }

  /** Deletes a run with all its files. @throws Failure while it runs or waits, or where it was not made here */
  async delete(id: string): Promise<Run> {
    const run = this.get(id)
    if (!run.canDelete)
      throw new Failure('conflict', 'Only runs that were made here, and neither run nor wait, can be deleted.')
    await this.#discard(run)
    return run.toRun()
  }

  async #discard(run: ManagedRun): Promise<void> {
    await this.#store.settled(run.id)
    await deleteFolder(run.folder, this.#options.roots)
    this.#removed.add(run.id)
    this.#runs.delete(run.id)
    this.#tell({ event: 'removed', id: run.id })
  }

  /** @returns the run as it waits */
  async #queue(run: ManagedRun): Promise<Run> {
    const done = Promise.all([this.#happens(run, { type: 'queue' }), this.#store.save(run)])
    this.#numberQueue()
    const waiting = run.toRun()
    await done
    this.#fill()
    return waiting
  }

  #permitted(id: string, action: RunAction): { run: ManagedRun; record: GuiRecord } {
    const run = this.get(id)
    const { record } = run
    if (record && run.actions().includes(action)) return { run, record }
    const { pending } = run.snapshot
    const why = !record
      ? 'it was started in a terminal, where it can be stopped and resumed'
      : run.isForeign
        ? 'it belongs to another jora gui'
        : pending
          ? `it is ${run.state} and about to ${pending}`
          : `it is ${run.state}`
    throw new Failure('conflict', `This run cannot ${action} now: ${why}.`)
  }

  /** Starts what the queue holds, as far as there is room; one call after another. */
  #fill(): void {
    this.#numberQueue()
    const fill = async () => {
      while (!this.#closed) {
        const own = [...this.#runs.values()].filter((run) => run.isOwn)
        const running = own.filter((run) => run.isActive)
        const [next] = this.#waiting()
        if (!next || running.length >= this.#options.concurrency) break
        await this.#start(next)
      }
      this.#numberQueue()
    }
    // What cannot be written does not hold up the others.
    this.#filling = this.#filling.then(fill).catch(() => {})
  }

  #waiting(): ManagedRun[] {
    return [...this.#runs.values()]
      .filter((run) => run.isOwn && run.state === 'queued')
      .sort((a, b) => a.snapshot.queuedAt - b.snapshot.queuedAt)
  }

  #numberQueue(): void {
    const positions = new Map(this.#waiting().map((run, i) => [run.id, i + 1]))
    for (const run of this.#runs.values()) {
      run.queuePosition = positions.get(run.id) ?? null
      this.#tellRun(run)
    }
  }

  async #start(run: ManagedRun): Promise<void> {
    const record = run.record!
    try {
      // At once: what starts cannot be taken out of the queue.
      await this.#happens(run, { type: 'start' })
      const { mark, logFrom, ended, go, cancel } = await startProcess(run, this.#options.command, this.#options.cwd)
      Object.assign(record, { process: mark ?? null, logFrom, server: this.#self })
      run.isChild = true
      void ended.then((end) => this.#settle(run, end)).catch(() => {})
      // Kept before it is let go: whatever becomes of this server, the next one finds the process.
      await this.#store.save(run).catch((error: unknown) => {
        cancel()
        throw error
      })
      if (run.snapshot.pending === null) go()
      else cancel()
    } catch (error) {
      run.isChild = false
      await this.#happens(run, notStarted(error as Error)).catch(() => {})
    }
  }

  /** A run's process has ended. */
  async #settle(run: ManagedRun, end: ProcessEnd): Promise<void> {
    if (this.#closed || !run.isActive) return
    this.#stopper.release(run.id)
    await run.refresh().catch(() => {})
    const outcome = await endOf(run, end)
    if (this.#closed || !allows(run.snapshot, outcome.type)) return
    run.record!.process = null
    run.isChild = false
    await Promise.allSettled([this.#happens(run, outcome), this.#store.save(run)])
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
      const isBusy = run.isActive || run.state === 'queued'
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
    if (!run.record && !run.hasMetrics) return
    // Created by create() in this very moment: that is the one in charge.
    const inCharge = this.#runs.get(run.id) ?? run
    this.#runs.set(run.id, inCharge)
    this.#tellRun(inCharge)
  }

  /** Reads gui.json of a run that is not ours yet, and makes it ours if no other server lives that has it. */
  async #take(run: ManagedRun): Promise<void> {
    const found = await readRecord(run.folder, this.#options.seal)
    // Created in this very moment by create(): that is the one in charge.
    if (!found || this.#runs.get(run.id)?.isOwn) return
    const { isSealed, record } = found
    const { server, process: started } = record
    const isLogged = await run.readControl(found.control)
    const isSelf = server !== null && server.instance === this.#self?.instance
    const isHeld = server !== null && !isSelf && (await isAlive(server))
    if (this.#runs.get(run.id)?.isOwn) return
    // Of a server with another state folder, only looked at while its process runs.
    run.isForeign = isHeld || (!isSealed && started !== null && (await isAlive(started)))
    run.record = record
    if (run.isForeign) return
    this.#runs.set(run.id, run)
    if (!isLogged && found.control.length > 0) await this.#store.append(run, ...found.control)
    if (!isSealed) return this.#takeStrayed(run)
    if (!run.isActive && run.state !== 'queued') return
    record.server = this.#self
    await this.#store.save(run)
    if (run.state === 'queued') return this.#fill()
    if (!started || !(await isAlive(started))) return this.#settle(run, {})
    if (run.snapshot.pending === 'stop') this.#stopper.stop(run.id, started, false)
  }

  /** Of a folder that was moved here, or came from elsewhere: by what it says nothing is started or ended. */
  async #takeStrayed(run: ManagedRun): Promise<void> {
    Object.assign(run.record!, { process: null, server: null })
    const message = 'Its folder was moved, or comes from elsewhere: it waits to be resumed.'
    if (run.state === 'queued') await this.#happens(run, { type: 'unqueue', message })
    else if (run.isActive) await this.#happens(run, { type: 'stopped', message })
  }

  async #refreshActive(): Promise<void> {
    for (const run of this.#runs.values()) {
      if (!run.isActive) continue
      await run.refresh().catch(() => {})
      const { record } = run
      const isTakenUp = run.isOwn && !run.isChild && record !== undefined && record.process !== null && run.isActive
      if (isTakenUp && !(await isAlive(record.process!))) await this.#settle(run, {})
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

  /**
   * Something happens to a run: told at once, then written.
   * @throws Error when it cannot be written; or cannot happen, which is an error of this program
   */
  async #happens(run: ManagedRun, { type, message }: Pick<ControlEvent, 'type' | 'message'>): Promise<void> {
    const event = { type, at: Date.now(), ...(message === undefined ? {} : { message }) }
    if (!run.apply(event)) throw new Error(`a run that is ${run.state} cannot ${type}`)
    this.#tellRun(run)
    await this.#store.append(run, event)
  }
}
