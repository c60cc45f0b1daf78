// The command line's own errors, and how any error is told: one line, no stack unless JORA_DEBUG=1.
import type { Io } from './io'

export const exitCode = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const

/** The command was called wrongly: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Ended by Ctrl-C after leaving everything in order: exit code 130. What there is to say has been said. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
}

export const notAvailable = 'is not available in this version'

const oneLine = (text: string): string => text.trim().replace(/\s*\n\s*/g, ' ')

/** Says what went wrong on stderr, when it is this process's turn, and gives the exit code. */
export async function reportError(error: unknown, io: Io): Promise<number> {
  if (error instanceof Interrupted) return exitCode.interrupted
  const known = error instanceof Error ? error : new Error(String(error))
  const who = await io.turnToTell()
  io.stderr.write(`error: ${who}${oneLine(known.message) || known.name}\n`)
  if (io.env.JORA_DEBUG === '1') io.stderr.write(`${known.stack ?? ''}\n`)
  return known instanceof UsageError ? exitCode.usage : exitCode.failed
}
