// Patterns of module names as PEFT's files hold them: Python's regular expressions.
import { ConfigError } from '../../settings/config-error'

const groupNames: Readonly<Record<string, string>> = { '(?P<': '(?<', '\\A': '^', '\\Z': '$' }

/** Parts of a pattern that Python and JavaScript read differently, or that hide such parts: escapes and sets. */
const parts = /\\[\s\S]|\(\?P<|\(\?P=(\w+)\)|\{,(\d+)\}|\[\^?\]?(?:\\[\s\S]|[^\]\\])*\]/g

/** Escapes of letters that mean the same in both; Python knows no others, and JavaScript takes any. */
const escapes = /^\\[bBdDsSwWnrtfvx0-9]$|^\\[^a-zA-Z0-9]$/

/**
 * `pattern` as Python's `re.fullmatch` reads it.
 * @param what what errors call it
 * @throws ConfigError when it is no such pattern, or uses what JavaScript has not
 */
export function pythonRegex(pattern: string, what: string): RegExp {
  const fail = (reason: string): never => {
    throw new ConfigError(`${what} is not a regular expression that can be used here: ${reason}`)
  }
  const ignoreCase = pattern.startsWith('(?i)')
  const source = (ignoreCase ? pattern.slice(4) : pattern).replace(parts, (part, name?: string, most?: string) => {
    if (name !== undefined) return `\\k<${name}>`
    if (most !== undefined) return `{0,${most}}`
    // Python takes a bracket that comes first for one of the set.
    if (part.startsWith('[')) return part.replace(/^(\[\^?)\]/, '$1\\]')
    const other = groupNames[part]
    return other ?? (escapes.test(part) ? part : fail(`${part} is unknown`))
  })
  try {
    return new RegExp(`^(?:${source})$`, ignoreCase ? 'i' : '')
  } catch (error) {
    return fail((error as Error).message)
  }
}
