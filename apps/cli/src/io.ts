// What the command line touches of the process: streams, environment, signals. Tests put their own in its place.
import { createInterface } from 'node:readline'
import { howCalled } from './ui/next-command'

export interface Output {
  write(text: string): void
  readonly isTTY: boolean
  readonly columns: number
}

export interface Io {
  /** Results only. */
  readonly stdout: Output
  /** Progress, logs and errors. */
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  /** What the user typed to call the command line; absent: `jora`. */
  readonly calledAs?: string
  readStdin(): Promise<string>
  /** Lines of stdin, asking for each with `prompt` on a terminal; an interrupt while it waits ends them. */
  readLines(prompt: string, signal: AbortSignal): AsyncIterable<string>
  /** Calls `listener` on SIGINT, SIGTERM and SIGUSR2 (which mpirun hands on to all ranks), which then end nothing; returns the way back. */
  onInterrupt(listener: () => void): () => void
  /** Ends the process at once, as Ctrl-C does to a program that never heard of it. */
  endNow(): void
  /**
   * Waits for this process's turn to tell an error, and gives what is before it. A process on its own tells at once; see
   * `turnOfRank` for those of a job.
   */
  turnToTell(): Promise<string>
}

/** One run of the command line. */
export interface Session extends Io {
  readonly argv: readonly string[]
}

const nowhere: Output = { write: () => {}, isTTY: false, columns: 80 }

/** The same run without its streams: of a job's processes only one speaks. */
export const silent = (session: Session): Session => ({ ...session, stdout: nowhere, stderr: nowhere })

const outputOf = (stream: NodeJS.WriteStream): Output => ({
  write: (text) => void stream.write(text),
  get isTTY() {
    return stream.isTTY === true
  },
  get columns() {
    // A terminal may say 0 when nobody told it its size.
    return stream.columns || 80
  },
})

const signals = ['SIGINT', 'SIGTERM', 'SIGUSR2'] as const

/** The real process. */
export const processIo: Io = {
  stdout: outputOf(process.stdout),
  stderr: outputOf(process.stderr),
  env: process.env,
  calledAs: howCalled(process.env, process.argv[1] ?? ''),
  async readStdin() {
    const { decodeWhole } = await import('@jora/data')
    return await decodeWhole(process.stdin, 'standard input')
  },
  async *readLines(prompt, signal) {
    const { stdin, stderr } = process
    const lines = createInterface({ input: stdin, output: stderr, terminal: stdin.isTTY && stderr.isTTY, prompt })
    // On a terminal readline hears Ctrl-C in the process's place.
    lines.on('SIGINT', () => process.emit('SIGINT'))
    const end = () => lines.close()
    signal.addEventListener('abort', end, { once: true })
    const ask = () => stdin.isTTY && lines.prompt()
    try {
      ask()
      for await (const line of lines) {
        yield line
        if (!signal.aborted) ask()
      }
    } finally {
      signal.removeEventListener('abort', end)
      end()
    }
  },
  onInterrupt(listener) {
    for (const signal of signals) process.on(signal, listener)
    return () => {
      for (const signal of signals) process.off(signal, listener)
    }
  },
  endNow() {
    // Not process.exit: it stops worker threads, and one that is inside ONNX Runtime then aborts the process.
    for (const signal of signals) process.removeAllListeners(signal)
    process.kill(process.pid, 'SIGINT')
    // Process 1 of a container does not die of a signal.
    setTimeout(() => process.exit(130), 500)
  },
  turnToTell: async () => (await import('./job')).turnOfRank(process.env),
}
