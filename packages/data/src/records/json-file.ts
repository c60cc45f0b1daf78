// JSON that is a file's whole content, such as config.json: what is wrong with it, in words for whoever has the file.

import { kindOfText } from './decode'
import { JsonTextError, lineOf, parseJson } from './json-text'

/** The error that the caller's readers raise. */
type ErrorClass = new (message: string) => Error

/**
 * The value in the text of a JSON file.
 *
 * @param source what errors call the file
 * @throws `Failure` when the file is empty, another file's stand-in (a Git LFS pointer), or no JSON, naming the line
 */
export function parseJsonFile(text: string, source: string, Failure: ErrorClass = Error): unknown {
  const json = text.startsWith('\uFEFF') ? text.slice(1) : text
  try {
    return JSON.parse(json)
  } catch (error) {
    throw new Failure(`${source} ${problemOf(json) ?? `is not valid JSON: ${(error as Error).message}`}`)
  }
}

/** What is wrong with a text that is not JSON; undefined where our own parser finds nothing. */
function problemOf(text: string): string | undefined {
  if (text.trim() === '') return 'is empty; expected JSON'
  const kind = kindOfText(text)
  if (kind !== undefined) return kind
  try {
    parseJson(text)
    return undefined
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error
    const { offset } = error
    if (text.slice(offset).trim() === '') return 'is not valid JSON: it ends too early; is it whole?'
    const unexpected = text.slice(offset, offset + 20).split('\n')[0]!
    return `is not valid JSON: line ${lineOf(text, offset)}: unexpected ${JSON.stringify(unexpected)}`
  }
}
