// The CPU device's thread: owns the ONNX Runtime sessions and every tensor, and serves one message after another.
// Plain JavaScript, so that it starts the same from the sources and from a build.
import { parentPort, workerData } from 'node:worker_threads'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { drawAll, forgetDrawn } from './draw.mjs'
import { filesOf, heldBytes, hold, readFrom } from './held.mjs'
import { arrayOf, keepMemory, sharedArray, shareMemory, takeArray, unshareMemory } from './memory.mjs'
import { isSigned, prepare, unsigned } from './prepare.mjs'
import { forgetUnpacked, unpackAll } from './unpack.mjs'

// From Node 24 on, ONNX Runtime's JavaScript would make halves Float16Arrays, which its native half (1.30) takes for empty.
// In this thread nobody else wants them: it looks for the class with its first tensor, and does with Uint16Array without.
Reflect.deleteProperty(globalThis, 'Float16Array')

const port = /** @type {import('node:worker_threads').MessagePort} */ (parentPort)

/** @type {Map<number, Tensor | Error>} */
const tensors = new Map()
/**
 * @typedef {{session: InferenceSession, inputNames: string[], outputs: import('./model-proto').OnnxValue[], fed: {name: string, id: number}[], draws: import('./draws').Draw[], inPlace: import('./many-shapes').InPlace}} SessionProgram
 * @typedef {{parts: {program: SessionProgram, reads: Source[], makes: import('./parts').Place[]}[], sharedBytes: number, letGo: () => void}} PartedProgram
 */
/** @type {Map<number, SessionProgram | PartedProgram | Error>} */
const programs = new Map()
/** Models, which equal programs share. @type {Map<number, Promise<InferenceSession>>} */
const sessions = new Map()
/** @type {Error | undefined} */
let firstError

/** @type {Record<string, string>} */
const ortTypes = { f32: 'float32', i8: 'int8', i32: 'int32', u32: 'uint32', u8: 'uint8', bool: 'bool', f16: 'float16' }

/** @param {unknown} error */
const asError = (error) => (error instanceof Error ? error : new Error(String(error)))

/** @param {string} dtype @param {ArrayBufferView} data @param {readonly number[]} shape */
function makeTensor(dtype, data, shape) {
  const type = ortTypes[dtype]
  if (!type) throw new Error(`the CPU device cannot hold ${dtype} outside a file; cast it to f32`)
  return new Tensor(/** @type {'float32'} */ (type), /** @type {Float32Array} */ (data), shape)
}

/** What is made again of another tensor whenever it is read, not to be held twice. @type {Map<number, () => Tensor>} */
const remade = new Map()

/** @param {number} id */
function tensorOf(id) {
  const tensor = tensors.get(id) ?? remade.get(id)?.()
  if (!tensor) throw new Error(`buffer ${id} does not exist`)
  if (tensor instanceof Error) throw tensor
  return tensor
}

/** bf16 as f32: the upper half of its bits. @param {Uint16Array} halves */
function widened(halves) {
  const bits = new Uint32Array(halves.length)
  for (let i = 0; i < halves.length; i++) bits[i] = (halves[i] ?? 0) << 16
  return new Float32Array(bits.buffer)
}

/**
 * @param {Uint8Array} bytes
 * @param {{ folder: string | undefined, arena: boolean, prepack: boolean, spins: boolean, prepared: readonly { location: string, recipe: import('./prepared').Recipe, ids: readonly (readonly number[])[] }[] }} options
 */
const createSession = (bytes, { folder, arena, prepack, spins, prepared }) =>
  InferenceSession.create(bytes, {
    externalData: prepared.map(({ location, recipe, ids }) => ({
      path: location,
      data: prepare(
        recipe,
        ids.map((parts) =>
          parts.map((id) => /** @type {ArrayBufferView} */ (/** @type {unknown} */ (tensorOf(id).data))),
        ),
      ),
    })),
    executionProviders: ['cpu'],
    // Weights must not be folded into converted copies; the graph arrives simplified.
    graphOptimizationLevel: 'disabled',
    executionMode: 'sequential',
    intraOpNumThreads: workerData.threads,
    interOpNumThreads: 1,
    enableCpuMemArena: arena,
    enableMemPattern: false,
    logSeverityLevel: 3,
    extra: {
      session: {
        disable_prepacking: prepack ? '0' : '1',
        // Threads wait awake for the next operator (2% of a step), not for the next run; never where others need the core.
        force_spinning_stop: '1',
        intra_op: { allow_spinning: spins ? '1' : '0' },
        ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
      },
    },
  })

/**
 * @param {SessionProgram} program @param {readonly Tensor[]} inputs
 * @param {readonly Tensor[]} made where outputs are written: memory of their own would wait for the garbage collector
 */
async function runSession({ session, inputNames, outputs, fed, draws }, inputs, made) {
  /** @type {Record<string, Tensor>} */
  const feeds = {}
  inputNames.forEach((name, i) => (feeds[name] = /** @type {Tensor} */ (inputs[i])))
  for (const { name, id } of fed) feeds[name] = tensorOf(id)
  const drawn = drawAll(draws, ({ key }) => /** @type {Uint32Array} */ (feeds[key]?.data))
  draws.forEach(({ name, mask, dims }, i) => {
    const isBool = mask !== undefined && mask.scale === undefined
    feeds[name] = makeTensor(isBool ? 'bool' : 'f32', /** @type {Float32Array} */ (drawn[i]), dims)
  })
  /** @type {Record<string, Tensor>} */
  const fetches = {}
  outputs.forEach(({ name }, i) => (fetches[name] = /** @type {Tensor} */ (made[i])))
  await session.run(feeds, fetches)
}

/** @param {SessionProgram} program @param {number[]} inputs @param {number[]} outputs */
async function runWhole(program, inputs, outputs) {
  const given = new Map(program.inPlace.map(({ output, input }) => [output, Number(inputs[input])]))
  const made = program.outputs.map(({ dtype, dims }, i) => {
    const id = given.get(i)
    return id === undefined ? makeTensor(dtype, takeArray(dtype, dims), dims) : tensorOf(id)
  })
  const read = inputs.map(tensorOf)
  // Their memory is the outputs' from here on: it must not be handed out when they are released.
  for (const id of given.values()) tensors.delete(id)
  await runSession(program, read, made)
  made.forEach((tensor, i) => tensors.set(Number(outputs[i]), tensor))
}

/** @typedef {import('./parts').Source<number, import('./quantised/unpacked').HeldFile>} Source */

/** The weights that a part reads unpacked. @param {readonly Source[]} reads */
function unpackedOf(reads) {
  const weights = reads.flatMap((source) => ('weight' in source ? [source.weight] : []))
  const elements = unpackAll(
    weights.map((weight) => {
      if ('file' in weight) return weight
      const { parts, ...rest } = weight
      const [codes, scales, mins] = parts.map((id) => tensorOf(id).data)
      return /** @type {import('./unpack.mjs').Packed} */ ({ ...rest, codes, scales, mins })
    }),
  )
  return new Map(
    weights.map((weight, i) => [weight, makeTensor('f32', /** @type {Float32Array} */ (elements[i]), weight.dims)]),
  )
}

/** A weight as its file has it. @param {import('./quantised/unpacked').StoredWeight<import('./quantised/unpacked').HeldFile>} weight */
function storedTensor({ dtype, dims, file }) {
  const bytes = heldBytes(file)
  return makeTensor(dtype, new (arrayOf(dtype))(/** @type {ArrayBuffer} */ (bytes.buffer), bytes.byteOffset), dims)
}

/** @param {PartedProgram} program @param {number[]} inputs @param {number[]} outputs */
async function runParts({ parts, sharedBytes }, inputs, outputs) {
  shareMemory(sharedBytes)
  for (const { program, reads, makes } of parts) {
    const unpacked = unpackedOf(reads)
    const read = reads.map((source) => {
      if ('weight' in source) return /** @type {Tensor} */ (unpacked.get(source.weight))
      if ('stored' in source) return storedTensor(source.stored)
      if ('offset' in source)
        return makeTensor(source.dtype, sharedArray(source.dtype, source.dims, source.offset), source.dims)
      return tensorOf(Number('input' in source ? inputs[source.input] : outputs[source.output]))
    })
    const made = program.outputs.map(({ dtype, dims }, i) => {
      const place = /** @type {import('./parts').Place} */ (makes[i])
      return makeTensor(
        dtype,
        'offset' in place ? sharedArray(dtype, dims, place.offset) : takeArray(dtype, dims),
        dims,
      )
    })
    await runSession(program, read, made)
    makes.forEach((place, i) => {
      if ('output' in place) tensors.set(Number(outputs[place.output]), /** @type {Tensor} */ (made[i]))
    })
  }
}

/** Sleeps until another thread has set a cell to `wanted`. @param {Int32Array} state @param {number} cell @param {number} wanted */
function waitFor(state, cell, wanted) {
  for (let seen = Atomics.load(state, cell); seen !== wanted; seen = Atomics.load(state, cell))
    Atomics.wait(state, cell, seen)
}

/** @type {Record<string, (message: any) => unknown>} */
const handlers = {
  upload({ id, dtype, shape, data }) {
    if (!(data.buffer instanceof SharedArrayBuffer)) return void tensors.set(id, makeTensor(dtype, data, shape))
    // ONNX Runtime takes no shared memory.
    const own = takeArray(dtype, shape)
    own.set(data)
    tensors.set(id, makeTensor(dtype, own, shape))
  },

  load({ id, dtype, shape, path, descriptor, offset, length, pieces = { count: 1, strideBytes: length } }) {
    const bytes = new Uint8Array(length)
    const pieceBytes = length / pieces.count
    for (let piece = 0; piece < pieces.count; piece++) {
      const part = bytes.subarray(piece * pieceBytes, (piece + 1) * pieceBytes)
      readFrom({ path, descriptor }, part, offset + piece * pieces.strideBytes)
    }
    // ONNX Runtime's Node binding has no bf16 tensors: outside the model's files such a weight is f32.
    if (dtype === 'bf16') return void tensors.set(id, makeTensor('f32', widened(new Uint16Array(bytes.buffer)), shape))
    tensors.set(id, makeTensor(dtype, new (arrayOf(dtype))(bytes.buffer), shape))
  },

  derive({ id, dtype, shape, recipe, ids }) {
    const [first] = ids
    const { dims } = tensorOf(first)
    const parts = ids.map((/** @type {number} */ part) => tensorOf(part).data)
    const bytes = prepare(recipe, [parts])
    const ArrayType = dtype === 'i8' ? Int8Array : Float32Array
    const length = bytes.byteLength / ArrayType.BYTES_PER_ELEMENT
    const data = new ArrayType(/** @type {ArrayBuffer} */ (bytes.buffer), bytes.byteOffset, length)
    tensors.set(id, makeTensor(dtype, data, shape))
    if (!isSigned(recipe, parts)) return
    tensors.delete(first)
    remade.set(first, () => makeTensor('u8', unsigned(/** @type {Int8Array} */ (data)), dims))
  },

  /** Whether products of 8 bits are added exactly: some processors do so in 16 bits, and stop at the largest. */
  async addsExactly({ model, name }) {
    const session = await InferenceSession.create(model, {
      executionProviders: ['cpu'],
      graphOptimizationLevel: 'disabled',
    })
    const x = makeTensor('u8', new Uint8Array(64).fill(255), [1, 64])
    const y = (await session.run({ x }))[name]
    await session.release()
    return Number(y?.data[0]) === 64 * 255 * 127
  },

  async compile({ program, session, bytes, inputNames, outputs, fed, draws, inPlace, ...options }) {
    try {
      if (bytes) sessions.set(session, createSession(bytes, options))
      const compiled = await sessions.get(session)
      programs.set(program, {
        session: /** @type {InferenceSession} */ (compiled),
        inputNames,
        outputs,
        fed,
        draws,
        inPlace,
      })
    } catch (error) {
      programs.set(program, asError(error))
      throw error
    }
  },

  compileParts({ program, steps, sharedBytes }) {
    const parts = steps.map((/** @type {any} */ step) => ({ ...step, program: programs.get(step.program) }))
    try {
      const failed = parts.find((/** @type {any} */ part) => part.program instanceof Error)
      if (failed) throw failed.program
      /** @type {Source[]} */
      const reads = steps.flatMap((/** @type {any} */ step) => step.reads)
      programs.set(program, { parts, sharedBytes, letGo: hold(reads.flatMap(filesOf)) })
    } catch (error) {
      programs.set(program, asError(error))
      throw error
    }
  },

  async run({ program, inputs, outputs }) {
    try {
      const compiled = programs.get(program)
      if (!compiled) throw new Error(`program ${program} was released`)
      if (compiled instanceof Error) throw compiled
      if ('parts' in compiled) await runParts(compiled, inputs, outputs)
      else await runWhole(compiled, inputs, outputs)
    } catch (error) {
      firstError ??= asError(error)
      for (const id of outputs) tensors.set(id, asError(error))
    }
  },

  read: ({ id }) => tensorOf(id).data,
  readInto({ id, target }) {
    const data = /** @type {ArrayBufferView} */ (/** @type {unknown} */ (tensorOf(id).data))
    target.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  },
  put({ id, bytes, state, turn, readers }) {
    waitFor(state, 0, turn - 1)
    waitFor(state, 1, 0)
    // An error goes the way of the elements: its text in their place, its length in the third cell.
    let failed = 0
    try {
      const data = /** @type {ArrayBufferView} */ (/** @type {unknown} */ (tensorOf(id).data))
      bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    } catch (error) {
      const text = Buffer.from(asError(error).message).subarray(0, bytes.length)
      bytes.set(text)
      failed = Math.max(1, text.length)
    }
    Atomics.store(state, 2, failed)
    Atomics.store(state, 1, readers)
    Atomics.store(state, 0, turn)
    Atomics.notify(state, 0)
  },
  collect({ id, dtype, shape, bytes, state, turn }) {
    waitFor(state, 0, turn)
    try {
      const failed = Number(Atomics.load(state, 2))
      if (failed > 0) throw new Error(Buffer.from(bytes.slice(0, failed)).toString())
      const own = takeArray(dtype, shape)
      new Uint8Array(own.buffer, 0, own.byteLength).set(bytes.subarray(0, own.byteLength))
      tensors.set(id, makeTensor(dtype, own, shape))
    } catch (error) {
      tensors.set(id, asError(error))
    }
    Atomics.sub(state, 1, 1)
    Atomics.notify(state, 1)
  },
  release: ({ ids }) => {
    for (const id of ids) {
      const tensor = tensors.get(id)
      tensors.delete(id)
      remade.delete(id)
      if (tensor && !(tensor instanceof Error))
        keepMemory(/** @type {ArrayBufferView} */ (/** @type {unknown} */ (tensor.data)).buffer)
    }
  },
  releaseProgram({ program }) {
    const released = programs.get(program)
    programs.delete(program)
    if (released && 'letGo' in released) released.letGo()
    if ([...programs.values()].some((other) => 'parts' in other)) return
    unshareMemory()
    forgetUnpacked()
    forgetDrawn()
  },
  async releaseSession({ session }) {
    const created = sessions.get(session)
    sessions.delete(session)
    await (await created?.catch(() => undefined))?.release()
  },
  synchronize() {
    const error = firstError
    firstError = undefined
    if (error) throw error
  },
}

/** @type {import('./device').Reply[]} */
let replies = []
/** Whether somebody waits for one of them. */
let awaited = false
function sendReplies() {
  if (replies.length > 0) port.postMessage(replies)
  replies = []
  awaited = false
}

/** What may take its time. */
const slow = new Set(['run', 'put', 'collect'])

/** @param {any} message */
async function handle(message) {
  // What was read is on its way before a program takes its time, and before the memory it is in is given to others. That a
  // program has run is told when there is more to tell.
  if (awaited && (slow.has(message.type) || message.type === 'release')) sendReplies()
  try {
    const value = await handlers[message.type]?.(message)
    if (message.request !== undefined) replies.push({ request: message.request, value })
  } catch (error) {
    const { message: text } = asError(error)
    if (message.request !== undefined) replies.push({ request: message.request, error: text })
    if (message.type === 'upload' || message.type === 'load') tensors.set(message.id, asError(error))
  }
  awaited ||= message.request !== undefined && !slow.has(message.type)
}

let queue = Promise.resolve()
port.on('message', (/** @type {any[]} */ messages) => {
  queue = queue.then(async () => {
    for (const message of messages) await handle(message)
    sendReplies()
  })
})
