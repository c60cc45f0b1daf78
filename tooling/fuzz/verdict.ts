// What an input may end in: a result, or an error of the reader's own kind in words for the person who has the file.

/** Words of the runtime, of libraries and of our own insides, which nobody should read who has only a broken file. */
export const internal =
  /is not a function|is not iterable|Cannot (read|set|destructure|convert|mix)|of (undefined|null) \(|Maximum call stack|Invalid (array|typed array|string) length|out of (range|memory)|expected \w+, received NaN|\[object \w+\]|\bat \S+:\d+:\d+|node_modules|offset is outside|Unexpected end of data view|Reduce of empty|is not defined|must be (of type|an instance)/i

export interface Fault {
  readonly what: string
  readonly message: string
}

/** Calls `run` once. @returns what is wrong with how it ended, or undefined */
export async function judge(
  run: () => unknown,
  { errors, names }: { errors: readonly (abstract new (...args: never[]) => Error)[]; names?: string },
  limitMs = 3000,
): Promise<Fault | undefined> {
  // Of the processor: a clock also counts what else the machine does.
  const begun = process.cpuUsage()
  let fault: Fault | undefined
  try {
    await run()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (!(error instanceof Error) || !errors.some((kind) => error instanceof kind))
      fault = { what: 'an error of another kind', message: error instanceof Error ? (error.stack ?? message) : message }
    else if (internal.test(message)) fault = { what: 'an internal message', message }
    else if (names !== undefined && !message.includes(names)) fault = { what: `no word of ${names}`, message }
    else if (message.length > 2000) fault = { what: 'a message of a page', message: message.slice(0, 300) }
  }
  const { user, system } = process.cpuUsage(begun)
  const took = (user + system) / 1000
  return fault ?? (took > limitMs ? { what: `it took ${took.toFixed(0)} ms of the processor`, message: '' } : undefined)
}
