// The CPU device: ONNX Runtime in a worker thread behind the backend interface.
import { createHash } from 'node:crypto'
import { cpus } from 'node:os'
import { Worker } from 'node:worker_threads'
import type {
  CompileGraph,
  CompileOptions,
  Device,
  DeviceBuffer,
  Executable,
  FileRange,
  Mailbox,
  MemoryStats,
} from '../backend/backend'
import { forgetDevice } from '../backend/registry'
import { viewAs, type HostArray } from '../dtype'
import { SharedFile } from '../files/shared-file'
import type { Graph } from '../ir/graph'
import type { Aval } from '../ir/op'
import { decomposed } from './definitions'
import { packsWeights } from './prepared'
import { areCoresFree } from './process/free-cores'
import { peakMemory } from './process/peak'
import { giveBack, giveBackPages, openGiveBack } from './process/give-back'
import { integerProduct, type Derived } from './quantised/int8'
import { lowerable, lowerGraph, type LowerOptions } from './lower'
import { largeProgram, partsOf, type PartedProgram, type Source } from './parts'
import { HeldFiles } from './quantised/held-files'
import { requireRuntime } from './process/runtime'
import { threadsGiven } from './process/threads-given'

/** How the CPU device runs its programs. */
export interface CpuDeviceOptions {
  /** Threads for the operators of one program; absent: as many as {@link threadsGiven} says. */
  readonly threads?: number
  /** Many programs make one step, as on a mesh: none keeps memory of its own, and they share random draws. */
  readonly manyPrograms?: boolean
}

class CpuBuffer implements DeviceBuffer {
  constructor(
    readonly device: CpuDevice,
    readonly id: number,
    readonly aval: Aval,
    readonly file?: FileRange,
  ) {}
  /** A file-backed buffer reaches the worker only if a program takes it as an input. */
  loaded = false
}

/** A compiled model and how many programs run it. */
interface Session {
  readonly key: string
  readonly id: number
  users: number
}

/** A program that the worker has, or is about to. */
interface Compiled {
  readonly program: number
  readonly ready: Promise<void>
  release(): void
  /** Called after each run. */
  readonly ran?: () => void
}

/** The worker's answer to a request. */
export interface Reply {
  readonly request: number
  readonly value?: unknown
  readonly error?: string
}

interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** Whether this processor adds products of 8 bits exactly, once it was asked. */
let isExact: Promise<unknown> | undefined

class CpuDevice implements Device {
  readonly kind = 'cpu'
  readonly computeDTypes = ['f32'] as const
  readonly name: string
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  readonly #released: number[] = []
  readonly #outbox: object[] = []
  readonly #manyPrograms: boolean
  readonly #threads: number
  readonly #sessions = new Map<string, Session>()
  /** Tensors made of weights, by the id of a weight's first part: they live as long as that. */
  readonly #derived = new Map<number, Map<string, number>>()
  #int8Levels: 127 | 63 = 63
  #ids = 0
  #requests = 0
  /** The large program that has memory of its own. */
  #favoured: number | undefined
  #failure: Error | undefined

  constructor({ threads = threadsGiven(), manyPrograms = false }: CpuDeviceOptions) {
    this.#manyPrograms = manyPrograms
    this.name = `${cpus()[0]?.model.trim() ?? 'CPU'}, ${threads} thread${threads === 1 ? '' : 's'}`
    const workerData = { threads }
    this.#threads = threads
    this.#worker = new Worker(new URL('./worker.mjs', import.meta.url), { workerData })
    this.#worker.unref() // an idle device keeps no process alive
    this.#worker.on('message', (replies: readonly Reply[]) => {
      for (const { request, value, error } of replies) {
        const pending = this.#pending.get(request)
        this.#pending.delete(request)
        if (error === undefined) pending?.resolve(value)
        else pending?.reject(new Error(error))
      }
      if (this.#pending.size === 0) this.#worker.unref()
    })
    this.#worker.on('error', (error) => this.#fail(new Error(`the CPU device failed: ${error.message}`)))
    this.#worker.on('exit', () => this.#fail(new Error('the CPU device is closed')))
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const { reject } of this.#pending.values()) reject(this.#failure)
    this.#pending.clear()
  }

  /** Messages of one turn go together: waking a thread costs as much as a small program. */
  #post(message: object): void {
    if (this.#failure) throw this.#failure
    if (this.#outbox.length === 0) queueMicrotask(() => this.#flush())
    if (this.#released.length > 0) this.#outbox.push({ type: 'release', ids: this.#released.splice(0) })
    this.#outbox.push(message)
  }

  #flush(): void {
    if (this.#outbox.length > 0) this.#worker.postMessage(this.#outbox.splice(0))
  }

  #request(message: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request = this.#requests++
      this.#pending.set(request, { resolve, reject })
      this.#worker.ref()
      try {
        this.#post({ ...message, request })
      } catch (error) {
        this.#pending.delete(request)
        reject(error as Error)
      }
    })
  }

  #own(buffer: DeviceBuffer): CpuBuffer {
    if (buffer instanceof CpuBuffer && buffer.device === this) return buffer
    throw new Error(`a buffer of ${buffer.device.name} was given to ${this.name}`)
  }

  /** The buffer's id, its bytes being on their way to the worker. */
  #fed(buffer: DeviceBuffer): number {
    const own = this.#own(buffer)
    if (own.file && !own.loaded) this.#load(own, own.file)
    return own.id
  }

  #load(buffer: CpuBuffer, range: FileRange): void {
    const file = SharedFile.open(range.path)
    const message = { type: 'load', id: buffer.id, ...buffer.aval, ...range, descriptor: file.descriptor }
    buffer.loaded = true
    // Held until the worker has read it; that it could not is told where the tensor is used.
    this.#request(message)
      .catch(() => {})
      .finally(() => file.close())
  }

  /** The id of a tensor made of weights. */
  #derive({ recipe, buffers, dtype, shape }: Derived): number {
    const ids = buffers.map((buffer) => this.#fed(buffer))
    const [first = 0] = ids
    const known = this.#derived.get(first) ?? new Map<string, number>()
    this.#derived.set(first, known)
    const key = JSON.stringify(recipe)
    let id = known.get(key)
    if (id === undefined) {
      known.set(key, (id = this.#ids++))
      this.#post({ type: 'derive', id, dtype, shape, recipe, ids })
    }
    return id
  }

  /** Finds how products in 8 bits are to be written for this processor. */
  async probe(): Promise<void> {
    const exact = await (isExact ??= this.#request({ type: 'addsExactly', ...integerProduct() }))
    this.#int8Levels = exact === true ? 127 : 63
  }

  get activationBits(): 7 | 8 {
    return this.#int8Levels === 127 ? 8 : 7
  }

  /** The session of a model: programs whose models are equal, as those of equal layers are, have one together. */
  #session(bytes: Uint8Array, options: string): Session {
    const key = `${createHash('sha256').update(bytes).digest('hex')} ${options}`
    let session = this.#sessions.get(key)
    if (!session) this.#sessions.set(key, (session = { key, id: this.#ids++, users: 0 }))
    return session
  }

  upload(data: HostArray, aval: Aval): DeviceBuffer {
    const buffer = new CpuBuffer(this, this.#ids++, aval)
    // A message copies a view's whole buffer; shared memory is not copied, but handed to the worker, which does.
    const whole = data.byteLength === data.buffer.byteLength || data.buffer instanceof SharedArrayBuffer
    const own = whole ? data : data.slice()
    this.#post({ type: 'upload', id: buffer.id, ...aval, data: own })
    if (!(data.buffer instanceof SharedArrayBuffer)) this.#flush() // the caller may write there at once
    return buffer
  }

  fromFile(range: FileRange, aval: Aval): DeviceBuffer {
    return new CpuBuffer(this, this.#ids++, aval, range)
  }

  compile(source: CompileGraph, options: CompileOptions = {}): Executable {
    const graph = lowerable(source, options)
    const isOne = options.manyShapes || this.#manyPrograms
    const parted = isOne ? undefined : partsOf(graph, (buffer) => this.#own(buffer).file)
    return this.#executable(source, parted ? this.#inParts(parted) : this.#compile(graph, options))
  }

  /** A program for the worker, or a part of one. */
  #compile(graph: CompileGraph, options: LowerOptions): Compiled {
    const { manyShapes = false, weights } = options
    const isPart = weights !== undefined
    const buffers = {
      fileOf: (buffer: DeviceBuffer) => this.#own(buffer).file,
      idOf: (buffer: DeviceBuffer) => this.#own(buffer).id,
      int8Levels: this.#int8Levels,
    }
    const lowered = lowerGraph(graph, buffers, options)
    const program = this.#ids++
    const fed = [
      ...lowered.fed.map(({ name, buffer }) => ({ name, id: this.#fed(buffer) })),
      ...lowered.derived.map((derived) => ({ name: derived.name, id: this.#derive(derived) })),
    ]
    // An arena (6% of a step) is for one program: each keeps its own for ever, and nine batch shapes held 7 GB of them. The
    // programs of further shapes share the process's heap.
    const isLarge = graph.nodes.length > largeProgram && !manyShapes && !isPart
    if (isLarge) this.#favoured ??= program
    const isFirst = this.#favoured === program
    const bytesOf = new Map(graph.constants.map((c) => [c.value, this.#own(c.tensor.buffer).file?.length ?? 0]))
    const memory = {
      arena: !this.#manyPrograms && !isPart && (isFirst || !isLarge),
      // One model for many shapes has its weights prepared once, in place of what they are prepared from.
      prepack: manyShapes || packsWeights(graph, bytesOf, this.#manyPrograms),
    }
    const { bytes, folder, inputNames, outputs, draws, inPlace } = lowered
    const session = this.#session(bytes, `${folder} ${memory.arena} ${memory.prepack}`)
    const isNew = session.users++ === 0
    const prepared = isNew
      ? lowered.prepared.map((p) => ({
          location: p.location,
          recipe: p.recipe,
          ids: p.weights.map((parts) => parts.map((buffer) => this.#fed(buffer))),
        }))
      : []
    const model = isNew ? { bytes, folder, prepared, spins: areCoresFree(this.#threads), ...memory } : {}
    const about = { session: session.id, inputNames, outputs, fed, draws, inPlace }
    const message = { type: 'compile', program, ...about, ...model }
    const ready = this.#request(message).then(() => {
      if (isLarge) giveBack()
    })
    const release = () => {
      if (isFirst) this.#favoured = undefined
      if (this.#failure) return
      this.#post({ type: 'releaseProgram', program })
      if (--session.users > 0) return
      this.#sessions.delete(session.key)
      this.#post({ type: 'releaseSession', session: session.id })
    }
    return { program, ready, release }
  }

  /** A program in parts, as one for the worker. */
  #inParts({ parts, sharedBytes }: PartedProgram): Compiled {
    const compiled: Compiled[] = []
    // Sessions are made while other parts are lowered: the one that takes longest comes first.
    const nodesOf = (i: number) => parts[i]!.graph.nodes.length
    for (const i of [...parts.keys()].sort((x, y) => nodesOf(y) - nodesOf(x))) {
      const { graph, weights } = parts[i]!
      compiled[i] = this.#compile(graph, { weights })
      this.#flush()
    }
    for (const { ready } of compiled) ready.catch(() => {}) // told by the whole program
    const program = this.#ids++
    const files = new HeldFiles()
    const sourceOf = (from: Source) => files.sourceOf(from, (buffer) => this.#fed(buffer))
    const ids = compiled.map((part) => part.program)
    const steps = parts.map(({ reads, makes }, i) => ({ program: ids[i], reads: reads.map(sourceOf), makes }))
    const ready = this.#request({ type: 'compileParts', program, steps, sharedBytes }).then(giveBack)
    const release = () => {
      // By their descriptors the worker knows weights that it holds.
      const close = () => files.close()
      if (this.#failure) close()
      else this.#request({ type: 'releaseProgram', program }).then(close, close)
      for (const part of compiled) part.release()
    }
    return { program, ready, release, ran: giveBackPages }
  }

  #executable({ outputs: values }: CompileGraph, { program, ready, release, ran }: Compiled): Executable {
    ready.catch(() => {}) // also told by every result of the program
    const avals = values.map((v) => v.aval)
    return {
      ready,
      run: (inputs) => {
        if (this.#failure) throw this.#failure
        const outputs = avals.map((aval) => new CpuBuffer(this, this.#ids++, aval))
        // Acknowledged, so that the process stays until the queue is empty: leaving inside a native run would abort it.
        const ids = { inputs: inputs.map((x) => this.#fed(x)), outputs: outputs.map((o) => o.id) }
        this.#request({ type: 'run', program, ...ids }).then(ran, () => {}) // errors surface where a result is read
        return outputs
      },
      release,
    }
  }

  put(buffer: DeviceBuffer, { bytes, state }: Mailbox, turn: number, readers: number): void {
    // Acknowledged, as a run is.
    this.#request({ type: 'put', id: this.#fed(buffer), bytes, state, turn, readers }).catch(() => {})
  }

  collect({ bytes, state }: Mailbox, turn: number, aval: Aval): DeviceBuffer {
    const buffer = new CpuBuffer(this, this.#ids++, aval)
    this.#post({ type: 'collect', id: buffer.id, ...aval, bytes, state, turn })
    return buffer
  }

  decomposed<T>(graph: Graph<T>): Graph<T> {
    return decomposed(graph)
  }

  async readInto(buffer: DeviceBuffer, target: Uint8Array): Promise<void> {
    const own = this.#own(buffer)
    if (target.buffer instanceof SharedArrayBuffer) {
      await this.#request({ type: 'readInto', id: this.#fed(own), target })
      return
    }
    const data = await this.read(buffer)
    target.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }

  async read(buffer: DeviceBuffer): Promise<HostArray> {
    const own = this.#own(buffer)
    const data = (await this.#request({ type: 'read', id: this.#fed(own) })) as ArrayBufferView
    return viewAs(own.aval.dtype, new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  }

  release(buffer: DeviceBuffer): void {
    const { id, file, loaded } = this.#own(buffer)
    if (!file || loaded) this.#released.push(id, ...(this.#derived.get(id)?.values() ?? []))
    this.#derived.delete(id)
  }

  memory(): Promise<MemoryStats> {
    return Promise.resolve({ bytes: process.memoryUsage.rss(), peakBytes: peakMemory() })
  }

  async synchronize(): Promise<void> {
    await this.#request({ type: 'synchronize' })
  }

  async close(): Promise<void> {
    forgetDevice(this)
    if (this.#failure) return
    // Terminating inside a native run would abort the process: let the queue drain first, and take nothing more.
    const drained = this.#request({ type: 'synchronize' }).catch(() => {})
    this.#flush()
    this.#failure = new Error('the CPU device is closed')
    await drained
    await this.#worker.terminate()
  }
}

/**
 * Opens a CPU device: ONNX Runtime in a worker thread of its own. Several may be open; each runs its own queue.
 * @throws Error when the optional peer onnxruntime-node is missing (with the command that installs it) or cannot be loaded
 */
export async function openCpuDevice(options: CpuDeviceOptions = {}): Promise<Device> {
  requireRuntime()
  await openGiveBack()
  const device = new CpuDevice(options)
  await device.probe()
  return device
}
