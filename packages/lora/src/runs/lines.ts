// Lines of JSON as they are in a file that may be cut anywhere.

/** Complete lines that are JSON objects. What a kill cut short is none. */
export const completeLines = (text: string): string[] =>
  text.split('\n').filter((line) => line.startsWith('{') && parseLine(line) !== undefined)

/** The object of a line; undefined for a line that is none. */
export function parseLine<E>(line: string): E | undefined {
  try {
    return JSON.parse(line) as E
  } catch {
    return undefined
  }
}
