// The WebGPU device: buffers, uploads, programs and reads behind the backend interface.
import type {
  CompileGraph,
  CompileOptions,
  Device,
  DeviceBuffer,
  Executable,
  FileRange,
  MemoryStats,
} from '../../backend/backend'
import { forgetDevice } from '../../backend/registry'
import { hostArray, type HostArray } from '../../dtype'
import type { Aval } from '../../ir/op'
import { sizeOf } from '../../shape'
import { describeAdapter, missingFrom, openAdapter, type AdapterDescription } from './adapters'
import { Allocator, type Allocation } from './allocator'
import { lowerGraph } from '../fusion/lower'
import { deviceBytes, GpuBuffer, hostElements, isShared, isSole, unreadable } from './buffer'
import { Pipelines } from './pipelines'
import type { Platform, PlatformGpu, WebGpuCounters, WebGpuDeviceOptions } from './platform'
import { Program } from './program'
import { fastestTile, type TunerHost } from './tuner'
import { TileChoices, tuningVersion } from './tuning'
import type { GpuProfile } from './profile'
import { elementType, storedBytes, type Storage } from '../fusion/storage'
import { WorkQueue } from './work-queue'

/** Bytes uploaded between two waits for the device: what drivers keep in staging memory at most. */
const uploadWindowBytes = 2 ** 28

/** A GPU, through WebGPU: Dawn in Node, the browser in a page. Opened by `openWebGpuDevice`. */
export class WebGpuDevice implements Device {
  readonly kind = 'webgpu'
  readonly name: string
  readonly computeDTypes: readonly ('f32' | 'f16')[]
  /** What programs are lowered for. */
  readonly profile: GpuProfile
  readonly #queue: WorkQueue
  readonly #allocator: Allocator
  readonly #pipelines: Pipelines
  readonly #pages: Allocation[] = []
  readonly #tiles: TileChoices
  readonly #tunes: boolean
  /** Adapter and kernels that measurements of tiles hold for. */
  readonly #tuningKey: string
  readonly counters: WebGpuCounters = {
    runs: 0,
    dispatches: 0,
    buffers: 0,
    pipelines: 0,
    arenaBytes: 0,
    unsharedBytes: 0,
  }
  readonly #usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST
  #failure: Error | undefined
  /** Who waits for the GPU: told when the device fails, so that nobody waits for ever. */
  readonly #waiting = new Set<(failure: Error) => void>()
  /** Reads that have not come back. */
  readonly #reads = new Set<Promise<unknown>>()
  #uploaded = 0

  constructor(
    readonly gpu: PlatformGpu,
    readonly adapter: AdapterDescription,
    readonly platform: Platform,
    { memoryBytes, profile = {}, tune = true }: WebGpuDeviceOptions,
  ) {
    this.name = adapter.name
    this.profile = { ...adapter.profile, ...profile }
    // On a CPU, f16 is only converted back and forth.
    this.computeDTypes = !this.profile.f16 ? ['f32'] : this.profile.software ? ['f32', 'f16'] : ['f16', 'f32']
    this.#tunes = tune
    this.#tuningKey = `${tuningVersion} ${adapter.vendor} ${adapter.architecture} ${adapter.name}`
    this.#tiles = new TileChoices(platform.tuning?.load(this.#tuningKey))
    this.#pipelines = new Pipelines(gpu, this.name, () => this.counters.pipelines++)
    this.#queue = new WorkQueue((error) => this.#fail(error instanceof Error ? error : new Error(String(error))))
    this.#allocator = new Allocator(gpu, {
      maxBufferBytes: this.profile.maxBufferBytes,
      budgetBytes: memoryBytes,
      name: adapter.name,
      onCreate: () => this.counters.buffers++,
    })
    void gpu.lost.then(({ message }) =>
      this.#fail(new Error(`the GPU ${this.name} was lost: ${message || 'no reason given'}`)),
    )
    gpu.addEventListener('uncapturederror', (event) => {
      const { error } = event
      const what = error.constructor.name === 'GPUOutOfMemoryError' ? 'is out of memory' : 'refused a command'
      this.#fail(new Error(`the GPU ${this.name} ${what}: ${error.message}`))
    })
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const reject of this.#waiting) reject(this.#failure)
    this.#waiting.clear()
  }

  #check(): void {
    if (this.#failure) throw this.#failure
  }

  #own(buffer: DeviceBuffer): GpuBuffer {
    if (buffer instanceof GpuBuffer && buffer.device === this) return buffer
    throw new Error(`a buffer of ${buffer.device.name} was given to ${this.name}`)
  }

  /** What the GPU promises; rejects when the device fails before, since the driver of a lost device may never answer. */
  #unlessLost<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#failure) reject(this.#failure)
      this.#waiting.add(reject)
      promise.then(resolve, reject).finally(() => this.#waiting.delete(reject))
    })
  }

  #wait<T>(promise: Promise<T>): Promise<T> {
    const { waitForCpu } = this.platform
    const answered = this.#unlessLost(promise)
    return this.adapter.software && waitForCpu ? waitForCpu(answered) : answered
  }

  #take(aval: Aval, what: string): Allocation {
    const bytes = storedBytes(elementType(aval.dtype, this.profile), sizeOf(aval.shape))
    return this.#allocator.take(bytes, this.#usage, what)
  }

  upload(data: HostArray, aval: Aval): DeviceBuffer {
    this.#check()
    const buffer = new GpuBuffer(this, aval)
    const bytes = deviceBytes(data, aval, this.#queue.busy || isShared(data))
    this.#queue.add(() => {
      if (this.#failure) return
      buffer.allocation = this.#take(aval, 'an uploaded tensor')
      if (bytes.byteLength > 0) this.gpu.queue.writeBuffer(buffer.allocation.buffer, 0, bytes)
    })
    return buffer
  }

  fromFile(range: FileRange, aval: Aval): DeviceBuffer {
    if (!this.platform.readRange) throw new Error('there are no files here; upload the tensor')
    return new GpuBuffer(this, aval, range)
  }

  /** Brings a tensor that is still in its file onto the device. */
  #load(buffer: GpuBuffer): void {
    if (!buffer.file || buffer.allocation) return
    const { file, aval } = buffer
    this.#queue.add(async () => {
      if (buffer.allocation || this.#failure) return
      const allocation = (buffer.allocation = this.#take(
        aval,
        file.label ? `weight ${file.label}` : `the tensor at byte ${file.offset} of ${file.path}`,
      ))
      await this.platform.readRange!(file, (bytes, offset) => {
        if (aval.dtype === 'bool') {
          this.gpu.queue.writeBuffer(allocation.buffer, offset * 4, deviceBytes(bytes, aval, true))
          return
        }
        const whole = bytes.byteLength - (bytes.byteLength % 4)
        if (whole > 0) this.gpu.queue.writeBuffer(allocation.buffer, offset, bytes as Uint8Array<ArrayBuffer>, 0, whole)
        if (whole < bytes.byteLength) {
          const rest = new Uint8Array(4)
          rest.set(bytes.subarray(whole))
          this.gpu.queue.writeBuffer(allocation.buffer, offset + whole, rest)
        }
      })
      this.#uploaded += file.length
      if (this.#uploaded < uploadWindowBytes) return
      this.#uploaded = 0
      await this.#wait(this.gpu.queue.onSubmittedWorkDone())
    })
  }

  #page(index: number, bytes: number): Allocation {
    const page = this.#pages[index]
    if (page && page.bytes >= bytes) return page
    if (page) this.#allocator.destroy(page)
    return (this.#pages[index] = this.#allocator.take(bytes, this.#usage, 'the arena for intermediate values'))
  }

  #host(): TunerHost {
    return {
      gpu: this.gpu,
      profile: this.profile,
      pipeline: (dispatch) => this.#unlessLost(this.#pipelines.get(dispatch)),
      page: (index, bytes) => this.#page(index, bytes),
      take: (bytes, what) => this.#allocator.take(bytes, this.#usage, what),
      release: (allocation) => this.#allocator.release(allocation),
      done: () => this.#wait(this.gpu.queue.onSubmittedWorkDone().then(() => {})),
    }
  }

  /** Measures the tiles of products that are new to this adapter; whether there were any. */
  async #tune(host: TunerHost): Promise<boolean> {
    const products = [...this.#tiles.unknown.values()]
    if (!this.#tunes || products.length === 0) return false
    for (const product of products) this.#tiles.learn(product.key, await fastestTile(host, product))
    this.#allocator.trim() // trials leave no buffers behind
    this.platform.tuning?.save(this.#tuningKey, this.#tiles.toJSON())
    return true
  }

  compile(graph: CompileGraph, { donated = [] }: CompileOptions = {}): Executable {
    this.#check()
    let lowered = lowerGraph(graph, this.profile, { donated, tiles: this.#tiles })
    const { replaces } = lowered // the same whatever the tiles
    const arenaBytes = lowered.memory.pageBytes.reduce((n, bytes) => n + bytes, 0)
    if (arenaBytes > this.counters.arenaBytes) {
      this.counters.arenaBytes = arenaBytes
      this.counters.unsharedBytes = lowered.memory.unsharedBytes
    }
    const constants = graph.constants.map((c) => this.#own(c.tensor.buffer))
    for (const constant of constants) this.#load(constant)
    const host = this.#host()
    let program = new Program(host, lowered)
    let broken: Error | undefined
    const ready = new Promise<void>((resolve, reject) => {
      this.#queue.add(async () => {
        if (this.#failure) return reject(this.#failure)
        try {
          if (await this.#tune(host)) {
            lowered = lowerGraph(graph, this.profile, { donated, tiles: this.#tiles })
            program = new Program(host, lowered)
          }
          await this.#wait(program.prepare())
          resolve()
        } catch (error) {
          reject((broken = error as Error))
        }
      })
    })
    ready.catch(() => {}) // also told by every read that follows
    return {
      ready,
      run: (given) => {
        this.#check()
        const inputs = given.map((buffer) => this.#own(buffer))
        inputs.forEach((buffer) => this.#load(buffer))
        const outputs = graph.outputs.map((value) => new GpuBuffer(this, value.aval))
        // What is consumed belongs to the program from now on: releasing its handle does nothing.
        const consumed = replaces.map((input) => input !== undefined && isSole(inputs[input]!, inputs, constants))
        this.#queue.add(() => {
          const failure = broken ?? unreadable([...inputs, ...constants])
          if (this.#failure || failure) {
            for (const output of outputs) output.failure = failure
            return
          }
          outputs.forEach((output, i) => {
            const input = replaces[i]
            output.allocation =
              input === undefined
                ? this.#take(output.aval, 'an output')
                : consumed[i]
                  ? inputs[input]!.allocation
                  : this.#copy(inputs[input]!)
            if (input !== undefined && consumed[i]) inputs[input]!.allocation = undefined
          })
          const encoder = this.gpu.createCommandEncoder()
          const pass = encoder.beginComputePass()
          program.encode(pass, (storage) => this.#place(storage, replaces, { inputs, constants, outputs }))
          pass.end()
          this.gpu.queue.submit([encoder.finish()])
          this.counters.runs++
          this.counters.dispatches += lowered.dispatches.length
        })
        return outputs
      },
      release: () => this.#queue.add(() => program.release()),
    }
  }

  #place(
    storage: Storage,
    replaces: readonly (number | undefined)[],
    { inputs, constants, outputs }: Record<'inputs' | 'constants' | 'outputs', readonly GpuBuffer[]>,
  ): Allocation {
    if (storage.kind === 'constant') return constants[storage.index]!.allocation!
    if (storage.kind === 'output') return outputs[storage.index]!.allocation!
    const replacement = replaces.indexOf(storage.index)
    return replacement >= 0 ? outputs[replacement]!.allocation! : inputs[storage.index]!.allocation!
  }

  /** A copy of a tensor that was donated although it is still needed elsewhere. */
  #copy(buffer: GpuBuffer): Allocation {
    const copy = this.#take(buffer.aval, 'an output')
    const encoder = this.gpu.createCommandEncoder()
    encoder.copyBufferToBuffer(buffer.allocation!.buffer, 0, copy.buffer, 0, copy.bytes)
    this.gpu.queue.submit([encoder.finish()])
    return copy
  }

  async read(buffer: DeviceBuffer): Promise<HostArray> {
    const { aval } = this.#own(buffer)
    if (sizeOf(aval.shape) === 0) return hostArray(aval.dtype, 0)
    return this.#mapped(buffer, (bytes) => hostElements(bytes.slice(), aval))
  }

  async readInto(buffer: DeviceBuffer, target: Uint8Array): Promise<void> {
    const { aval } = this.#own(buffer)
    if (sizeOf(aval.shape) === 0) return
    await this.#mapped(buffer, (bytes) => {
      const elements = aval.dtype === 'bool' ? hostElements(bytes, aval) : bytes.subarray(0, target.length)
      target.set(elements as Uint8Array)
    })
  }

  /** What `take` makes of the stored elements while they are mapped. */
  #mapped<R>(buffer: DeviceBuffer, take: (bytes: Uint8Array) => R): Promise<R> {
    const own = this.#own(buffer)
    this.#load(own)
    const read = new Promise<R>((resolve, reject) => {
      this.#queue.add(() => {
        // The copy is queued here, before anything that may write there; only the answer is waited for.
        try {
          this.#copyOut(own, take).then(resolve, reject)
        } catch (error) {
          reject(error as Error)
        }
      })
    })
    const settled = read.catch(() => {}).finally(() => this.#reads.delete(settled))
    this.#reads.add(settled)
    return read
  }

  #copyOut<R>(own: GpuBuffer, take: (bytes: Uint8Array) => R): Promise<R> {
    this.#check()
    if (own.failure) throw own.failure
    if (!own.allocation) throw new Error('the tensor was released before it was read')
    const { dtype, shape } = own.aval
    const bytes = Math.ceil(storedBytes(elementType(dtype, this.profile), sizeOf(shape)) / 4) * 4
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST
    const staging = this.#allocator.take(bytes, usage, 'a read')
    const encoder = this.gpu.createCommandEncoder()
    encoder.copyBufferToBuffer(own.allocation.buffer, 0, staging.buffer, 0, bytes)
    this.gpu.queue.submit([encoder.finish()])
    return this.#takeMapped(staging, bytes, take)
  }

  async #takeMapped<R>(staging: Allocation, bytes: number, take: (bytes: Uint8Array) => R): Promise<R> {
    try {
      await this.#wait(staging.buffer.mapAsync(GPUMapMode.READ, 0, bytes))
    } catch (error) {
      throw this.#failure ?? error
    }
    try {
      const taken = take(new Uint8Array(staging.buffer.getMappedRange(0, bytes)))
      // A failed run leaves its outputs unwritten: no number is better than a wrong one.
      this.#check()
      return taken
    } finally {
      staging.buffer.unmap()
      this.#allocator.release(staging)
    }
  }

  #free(buffer: GpuBuffer): void {
    if (buffer.allocation) this.#allocator.release(buffer.allocation)
    buffer.allocation = undefined
  }

  release(buffer: DeviceBuffer): void {
    const own = this.#own(buffer)
    if (own.released) return
    own.released = true
    this.#queue.add(() => this.#free(own))
  }

  memory(): Promise<MemoryStats> {
    return Promise.resolve({ bytes: this.#allocator.bytes, peakBytes: this.#allocator.peakBytes })
  }

  async synchronize(): Promise<void> {
    await this.#queue.idle()
    this.#check()
    await this.#wait(this.gpu.queue.onSubmittedWorkDone())
    this.#check()
  }

  async close(): Promise<void> {
    forgetDevice(this)
    await this.#queue.idle()
    await Promise.all(this.#reads)
    this.#fail(new Error(`${this.name} is closed`))
    this.gpu.destroy()
  }
}

/** Opens `adapter`. Throws when its limits are too small. */
export async function openOnAdapter(
  adapter: GPUAdapter,
  platform: Platform,
  options: WebGpuDeviceOptions,
): Promise<WebGpuDevice> {
  const missing = missingFrom(describeAdapter(adapter))
  if (missing) throw new Error(`WebGPU: ${missing}`)
  const opened = await openAdapter(adapter)
  return new WebGpuDevice(opened.device, opened.adapter, platform, options)
}
