// The few functions of MPI that move bytes, called in the system's library through koffi. Nothing here is loaded before
// it is asked for.
import type { LibraryHandle as Library } from 'koffi'
import { TransportError } from '../device/transport'

/** What is under way: the cell in which MPI keeps its handle. */
export type Request = BigUint64Array

/** MPI in this process. Calls return at once, but for `init` and `finalize`, and belong on the thread that called `init`. */
export interface Mpi {
  /** Library and version, as `Open MPI v4.1.4`. */
  readonly version: string
  /** The library's file as it was asked for. */
  readonly library: string
  /** Joins the job; waits for its other processes. */
  init(): void
  rank(): number
  size(): number
  /** Name of this host. */
  processorName(): string
  /** Starts to send; at most 2³¹ − 1 bytes. The bytes must stay where they are until `test` says that it is done. */
  send(bytes: Uint8Array, rank: number, tag: number): Request
  /** Starts to receive, as `send` sends. */
  receive(bytes: Uint8Array, rank: number, tag: number): Request
  /** Bytes received when the request is done (0 if it received none), −1 before. Moves everything under way along. */
  test(request: Request): number
  /** Leaves the job; waits for its other processes. */
  finalize(): void
  /** Ends all processes of the job. */
  abort(code: number): void
}

/** How a library writes its handles: addresses of its own objects in Open MPI, numbers in the MPICH family. */
interface Handles {
  readonly type: 'void*' | 'int'
  readonly world: bigint | number
  readonly byte: bigint | number
  readonly errorsReturn: bigint | number
}

const libraries = ['libmpi.so.40', 'libmpi.so.12', 'libmpi.so']

/** MPI_THREAD_FUNNELED: the process has threads, one of them calls MPI. */
const funneled = 1

/**
 * Loads the system's MPI. The supported one is Open MPI 4 or 5; MPICH and its kin are an experiment.
 * @param name the library's file; without it the usual names are tried
 * @throws TransportError when koffi or the library is missing, saying what to install
 */
export async function loadMpi(name = process.env.JORA_MPI_LIBRARY): Promise<Mpi> {
  const koffi = await import('koffi').catch((cause: unknown) => {
    throw new TransportError('MPI needs the npm package koffi, which is not installed: npm install koffi', { cause })
  })
  const refused: string[] = []
  for (const library of name ? [name] : libraries) {
    try {
      // Open MPI's components look for its symbols among the global ones.
      return bind(koffi.load(library, { global: true }), library)
    } catch (error) {
      if (error instanceof TransportError) throw error
      refused.push(`${library}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  throw new TransportError(
    `No MPI library: install Open MPI (Debian, Ubuntu: apt-get install openmpi-bin; Fedora: dnf install openmpi), ` +
      `or name its libmpi in JORA_MPI_LIBRARY. Tried ${refused.join('; ')}`,
  )
}

function bind(lib: Library, library: string): Mpi {
  const text = new Uint8Array(8192)
  const int = new Int32Array(1)
  const readText = () => new TextDecoder().decode(text.subarray(0, int[0])).replace(/[\0\n].*/s, '')

  lib.func('MPI_Get_library_version', 'int', ['void*', 'void*'])(text, int)
  const version = readText().split(',')[0]!.trim()
  const { type, world, byte, errorsReturn } = handles(lib, library, version)

  const errorString = lib.func('MPI_Error_string', 'int', ['int', 'void*', 'void*'])
  /** A function of the library that throws where it returns an error. */
  const mpi = (name: string, parameters: readonly string[]) => {
    const call = lib.func(name, 'int', [...parameters])
    return (...values: readonly (ArrayBufferView | bigint | number | null)[]) => {
      const code = call(...values) as number
      if (code === 0) return
      errorString(code, text, int)
      throw new TransportError(`${name}: ${readText()}`)
    }
  }

  const initThread = mpi('MPI_Init_thread', ['void*', 'void*', 'int', 'void*'])
  const setErrhandler = mpi('MPI_Comm_set_errhandler', [type, type])
  const commRank = mpi('MPI_Comm_rank', [type, 'void*'])
  const commSize = mpi('MPI_Comm_size', [type, 'void*'])
  const getProcessorName = mpi('MPI_Get_processor_name', ['void*', 'void*'])
  const isend = mpi('MPI_Isend', ['void*', 'int', type, 'int', 'int', type, 'void*'])
  const irecv = mpi('MPI_Irecv', ['void*', 'int', type, 'int', 'int', type, 'void*'])
  const mpiTest = mpi('MPI_Test', ['void*', 'void*', 'void*'])
  const getCount = mpi('MPI_Get_count', ['void*', type, 'void*'])
  const finalize = mpi('MPI_Finalize', [])
  const abort = mpi('MPI_Abort', [type, 'int'])

  // MPI_Status has 20 or 24 bytes.
  const status = new Uint8Array(64)
  /** Starts something that leaves its handle, of 4 or 8 bytes, in a new cell. */
  const begin = (start: (request: Request) => void): Request => {
    const request = new BigUint64Array(1)
    start(request)
    return request
  }
  const get = (read: () => void): number => {
    read()
    return int[0]!
  }

  return {
    version,
    library,
    init() {
      initThread(null, null, funneled, int)
      if (int[0]! < funneled)
        throw new TransportError(
          `${version} gives no thread support (MPI_THREAD_FUNNELED), without which Node cannot use it`,
        )
      // Errors come back as codes; MPI's own answer is to end the job with no word of what was being done.
      setErrhandler(world, errorsReturn)
    },
    rank: () => get(() => commRank(world, int)),
    size: () => get(() => commSize(world, int)),
    processorName() {
      getProcessorName(text, int)
      return readText()
    },
    send: (bytes, rank, tag) => begin((request) => isend(bytes, bytes.byteLength, byte, rank, tag, world, request)),
    receive: (bytes, rank, tag) => begin((request) => irecv(bytes, bytes.byteLength, byte, rank, tag, world, request)),
    test(request) {
      if (get(() => mpiTest(request, int, status)) === 0) return -1
      // Of a send the count is undefined, and of no use to anyone.
      return get(() => getCount(status, byte, int))
    },
    finalize: () => finalize(),
    abort: (code) => abort(world, code),
  }
}

function handles(lib: Library, library: string, version: string): Handles {
  if (version.startsWith('Open MPI'))
    return {
      type: 'void*',
      world: lib.symbol('ompi_mpi_comm_world') as bigint,
      byte: lib.symbol('ompi_mpi_byte') as bigint,
      errorsReturn: lib.symbol('ompi_mpi_errors_return') as bigint,
    }
  // The common ABI of the MPICH family.
  if (/MPICH|MVAPICH|Intel/.test(version))
    return { type: 'int', world: 0x44000000, byte: 0x4c00010d, errorsReturn: 0x54000001 }
  throw new TransportError(`${library} is ${version || 'an unknown MPI'}: Open MPI expected`)
}
