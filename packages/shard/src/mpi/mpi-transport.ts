// The transport over MPI: each process is a rank of MPI_COMM_WORLD, all sends and receives are non-blocking and polled.
import { TransportError, type Message, type Transport } from '../device/transport'
import { loadMpi, type Mpi, type Request } from './bindings'
import { detectLauncher, startCommand, type Launch } from './launcher'
import { pause, turn } from './wait'
import { within } from './watchdog'

/** How this process joins its MPI job. */
export interface MpiOptions {
  /** Seconds without any progress after which the other processes are taken for lost (default 300). */
  readonly timeoutSeconds?: number
  /** What the launcher says of this process; read from the environment when absent. */
  readonly expected?: Launch | undefined
}

/** A transport that knows whether it has been closed. */
export interface MpiTransport extends Transport {
  /** Library and version, as `Open MPI v4.1.4`. */
  readonly version: string
  /** Whether this rank has left the job in order. */
  readonly closed: boolean
}

/** MPI counts are int32; a longer message goes in pieces, which arrive in order. */
const pieceBytes = 2 ** 30

/** The tag of the empty message that says "I am in this call too". Any MPI allows tags up to 32767. */
const arrivalTag = 32767

/** Bytes a rank gives its host's name. */
const hostBytes = 256

const nothing = new Uint8Array(0)

/** Something under way between this rank and another. */
interface Pending {
  /** `arrival` is the other's word that it is in the call; `receive` and `send` are pieces of messages. */
  readonly kind: 'arrival' | 'receive' | 'send'
  readonly rank: number
  readonly tag: number
  /** Kept here from being collected while MPI reads or writes it. */
  readonly bytes: Uint8Array
  readonly request: Request
}

/**
 * Joins the job that a launcher started this process in. One call a process.
 * @throws TransportError when koffi or the MPI library is missing, when this process was not started by a launcher, when
 *   launcher and library do not belong together, or when the others do not join within the time-out (then the process is
 *   killed: MPI's start cannot be given up)
 */
export async function openMpi({ timeoutSeconds = 300, expected }: MpiOptions = {}): Promise<MpiTransport> {
  const launch = expected ?? detectLauncher(process.env)
  if (!launch)
    throw new TransportError(
      `MPI: this process was started by no launcher; start it as \`${startCommand(4, 'node program.js')}\``,
    )
  const mpi = await loadMpi()
  const me = `rank ${launch.rank}`
  within(
    timeoutSeconds,
    `${me}: the ${launch.size} processes of the job have not all joined MPI after ${timeoutSeconds} s`,
    () => mpi.init(),
  )
  if (mpi.size() !== launch.size || mpi.rank() !== launch.rank)
    throw new TransportError(
      `MPI: ${launch.launcher} started this process as rank ${launch.rank} of ${launch.size}, but for ${mpi.version} ` +
        `(${mpi.library}) it is rank ${mpi.rank()} of ${mpi.size()}. Launcher and library belong to different MPI ` +
        `installations, or the environment is left over from another job: start it with the mpirun of that library ` +
        `(srun: with --mpi=pmix), or name the launcher's libmpi in JORA_MPI_LIBRARY`,
    )
  const transport = new OverMpi(mpi, timeoutSeconds)
  await transport.join()
  return transport
}

class OverMpi implements MpiTransport {
  readonly version: string
  readonly rank: number
  readonly size: number
  hosts: readonly string[] = []
  closed = false
  private readonly everyone: readonly number[]
  /** After a failure it stays as it is: MPI may still write there. */
  private pending: Pending[] = []
  private failure: unknown

  constructor(
    private readonly mpi: Mpi,
    private readonly timeoutSeconds: number,
  ) {
    this.version = mpi.version
    this.rank = mpi.rank()
    this.size = mpi.size()
    this.everyone = Array.from({ length: this.size }, (_, rank) => rank)
  }

  /** Learns the hosts of all ranks. */
  async join(): Promise<void> {
    const own = new Uint8Array(hostBytes)
    new TextEncoder().encodeInto(this.mpi.processorName(), own)
    const all = this.everyone.map((rank) => ({ rank, tag: 0, bytes: new Uint8Array(hostBytes) }))
    await this.exchange(
      this.everyone.map((rank) => ({ rank, tag: 0, bytes: own })),
      all,
      'joining the job',
    )
    this.hosts = all.map(({ bytes }) => new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0))))
  }

  async exchange(outgoing: readonly Message[], incoming: readonly Message[], what: string): Promise<void> {
    for (const message of [...outgoing, ...incoming]) this.check(message, what)
    const ranks = new Set([...outgoing, ...incoming].map(({ rank }) => rank))
    await this.settle(ranks, what, () => {
      // Receives first: what arrives before its receive is posted is copied once more.
      for (const { rank, tag, bytes } of incoming)
        for (const piece of pieces(bytes)) this.begin('receive', rank, tag, piece)
      for (const { rank, tag, bytes } of outgoing)
        for (const piece of pieces(bytes)) this.begin('send', rank, tag, piece)
    })
  }

  abort(code: number): never {
    if (!this.closed) this.mpi.abort(code)
    process.exit(code)
  }

  async close(): Promise<void> {
    if (this.closed) return
    await this.settle(new Set(this.everyone), 'leaving the job', () => {})
    this.closed = true
    const complaint = `${this.name(this.rank)}: MPI_Finalize has not returned after ${this.timeoutSeconds} s`
    within(this.timeoutSeconds, complaint, () => this.mpi.finalize())
  }

  /** Starts what is to be done with these ranks, and sees it through. */
  private async settle(ranks: ReadonlySet<number>, what: string, start: () => void): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    if (this.pending.length > 0) throw new TransportError(`${what}: the call before it has not resolved yet`)
    try {
      for (const rank of ranks) {
        if (rank === this.rank) continue
        this.begin('arrival', rank, arrivalTag, nothing)
        this.begin('send', rank, arrivalTag, nothing)
      }
      start()
      await this.poll(what)
    } catch (error) {
      this.failure = error
      throw error
    }
  }

  private begin(kind: Pending['kind'], rank: number, tag: number, bytes: Uint8Array): void {
    const request = kind === 'send' ? this.mpi.send(bytes, rank, tag) : this.mpi.receive(bytes, rank, tag)
    this.pending.push({ kind, rank, tag, bytes, request })
  }

  private async poll(what: string): Promise<void> {
    let progressed = performance.now()
    for (;;) {
      const before = this.pending.length
      this.pending = this.pending.filter((pending) => !this.isDone(pending, what))
      if (this.pending.length === 0) return
      const now = performance.now()
      if (this.pending.length < before) progressed = now
      if (now - progressed > this.timeoutSeconds * 1000) throw this.late(what)
      // MPI moves bytes only while it is called, so a transfer under way is not slept on; a rank still to come is.
      const absent = this.absent()
      if (this.pending.some(({ rank }) => !absent.has(rank))) await turn()
      else await pause(now - progressed)
    }
  }

  private isDone({ kind, rank, tag, bytes, request }: Pending, what: string): boolean {
    let received: number
    try {
      received = this.mpi.test(request)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      const direction = kind === 'send' ? 'sending to' : 'receiving from'
      throw new TransportError(
        `${what}: ${direction} ${this.name(rank)}, tag ${tag}, ${bytes.byteLength} bytes expected: ${why}`,
      )
    }
    if (received >= 0 && kind === 'receive' && received !== bytes.byteLength)
      throw new TransportError(
        `${what}: ${this.name(rank)} sent ${received} bytes under tag ${tag}, ${bytes.byteLength} expected`,
      )
    return received >= 0
  }

  /** The ranks that are not in the call yet. */
  private absent(): ReadonlySet<number> {
    return new Set(this.pending.filter(({ kind }) => kind === 'arrival').map(({ rank }) => rank))
  }

  private late(what: string): TransportError {
    const absent = this.absent()
    const silent = [...new Set(this.pending.map(({ rank }) => rank))].sort((a, b) => a - b)
    const each = silent.map((rank) => {
      const left = this.pending.reduce(
        (sum, { rank: other, bytes }) => sum + (other === rank ? bytes.byteLength : 0),
        0,
      )
      return `${this.name(rank)} ${absent.has(rank) ? 'has not come to it' : `stopped with ${left} bytes to move`}`
    })
    return new TransportError(`${what}: no answer for ${this.timeoutSeconds} s: ${each.join(', ')}`)
  }

  private name(rank: number): string {
    return `rank ${rank} on host ${this.hosts[rank] ?? 'unknown'}`
  }

  private check({ rank, tag }: Message, what: string): void {
    if (!Number.isInteger(rank) || rank < 0 || rank >= this.size)
      throw new TransportError(`${what}: a rank from 0 to ${this.size - 1} expected, got ${rank}`)
    if (!Number.isInteger(tag) || tag < 0 || tag >= arrivalTag)
      throw new TransportError(`${what}: a tag from 0 to ${arrivalTag - 1} expected, got ${tag}`)
  }
}

/** A message in the pieces it is sent in: one of no bytes if it is empty. */
function pieces(bytes: Uint8Array): Uint8Array[] {
  const count = Math.max(1, Math.ceil(bytes.byteLength / pieceBytes))
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * pieceBytes, (i + 1) * pieceBytes))
}
