// Starting `jora`: as a run that outlives the server, or as a short command whose JSON is read.
import { spawn, type ChildProcess } from 'node:child_process'
import { flagOf, isNegated, nameOf, settings, type Setting } from '@jora/lora/settings'
import type { z } from 'zod'
import type { RunSettings } from '../api'
import { Failure } from '../server/failure'

/** How the command line is started: a program and its first arguments. */
export type Command = readonly [program: string, ...args: string[]]

/** Flags as `--name=value`: a value that begins with a dash stays a value. */
export const flags = (values: Readonly<Record<string, string | number | true | undefined>>): string[] =>
  Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [value === true ? `--${name}` : `--${name}=${value}`],
  )

/** Those of `names` that `given` has a value for, as flags. */
export const settingFlags = (given: RunSettings, names: readonly (keyof RunSettings)[]): string[] =>
  Object.entries<Setting>(settings).flatMap(([key, setting]) => {
    const name = nameOf(key, setting) as keyof RunSettings
    const value = names.includes(name) ? given[name] : undefined
    if (value === undefined) return []
    const flag = flagOf(key, setting)
    if (setting.type.control.kind !== 'toggle') return [`${flag}=${setting.type.show(value)}`]
    return value === isNegated(setting) ? [] : [flag]
  })

/** What the server knows and children do not need. */
export const childEnv = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => {
  const { JORA_GUI_PASSWORD: _password, ...env } = process.env
  return { ...env, ...more }
}

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  readonly cwd: string
  readonly signal?: AbortSignal | undefined
  readonly env?: NodeJS.ProcessEnv
  readonly timeoutMs?: number
  /** How long it has to end in order once it is asked to, in milliseconds (default 2000). */
  readonly graceMs?: number | undefined
  /** Called with each line of stderr as it comes. */
  readonly onLine?: (line: string) => void
}

const outputLimitBytes = 64 << 20
/** Commands at once, and waiting. */
const [most, mostWaiting] = [2, 16]

/** Asks to end; after a while, ends. */
function endSoon(child: ChildProcess, graceMs = 2000): void {
  child.kill('SIGINT')
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs).unref()
  child.once('close', () => clearTimeout(timer))
}

/** Short commands: no more than a few at a time. */
export class Commands {
  #running = 0
  readonly #waiting: (() => void)[] = []
  readonly #end = new AbortController()

  constructor(readonly command: Command) {}

  /** Runs to the end. @throws Failure when too many wait; the signal's reason when aborted */
  async run(args: readonly string[], options: CommandOptions): Promise<Finished> {
    if (this.#running >= most) {
      if (this.#waiting.length >= mostWaiting)
        throw new Failure('too_many', 'The server is busy with other requests. Try again in a moment.')
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else this.#running++
    try {
      const signal = options.signal ? AbortSignal.any([options.signal, this.#end.signal]) : this.#end.signal
      signal.throwIfAborted()
      return await finish(this.command, args, { ...options, signal })
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }

  /** Ends what runs, and starts nothing more. */
  close(): void {
    this.#end.abort(new Failure('failed', 'The server ends.'))
  }

  /** The JSON that a command prints. @throws Failure with the command's own error */
  async json<T extends z.ZodType>(args: readonly string[], schema: T, options: CommandOptions): Promise<z.infer<T>> {
    const { code, stdout, stderr } = await this.run([...args, '--json'], options)
    if (code !== 0) throw new Failure(code === 2 ? 'bad_request' : 'failed', errorOf(stderr, code))
    const printed = schema.safeParse(parsed(stdout))
    if (printed.success) return printed.data
    const [issue] = printed.error.issues
    throw new Failure(
      'failed',
      `jora ${args[0]} did not print what was expected of it (${issue?.path.join('.')}: ${issue?.message}); are both of one version?`,
    )
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The error that a command told last. */
function errorOf(stderr: string, code: number | null): string {
  const lines = stderr.trim().split('\n')
  const told = lines.findLast((line) => line.startsWith('error: '))?.slice(7)
  return told ?? (lines.at(-1)?.trim() || `it ended with code ${code ?? 'none: it was killed'}`)
}

function finish([program, ...first]: Command, args: readonly string[], options: CommandOptions): Promise<Finished> {
  const { cwd, env = childEnv(), signal, timeoutMs = 300_000, graceMs, onLine } = options
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...first, ...args], {
      cwd,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
    })
    const texts = { stdout: '', stderr: '' }
    let size = 0
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        size += text.length
        if (size > outputLimitBytes) endSoon(child, 0)
        else texts[name] += text
        const line = name === 'stderr' ? text.trimEnd().split('\n').at(-1)?.trim() : undefined
        if (line) onLine?.(line)
      })
    }
    const stop = () => endSoon(child, graceMs)
    const timer = setTimeout(stop, timeoutMs)
    signal?.addEventListener('abort', stop, { once: true })
    const settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
    }
    child.on('error', (error) => {
      settle()
      reject(new Failure('failed', `jora cannot be started: ${error.message}`))
    })
    child.on('close', (code) => {
      settle()
      if (signal?.aborted) reject(signal.reason as Error)
      else resolve({ code, ...texts })
    })
  })
}
