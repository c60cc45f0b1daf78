// Arguments of a call by the names of what is called, as Python binds them.

import { TemplateRuntimeError } from './errors'
import { typeName, type Keywords, type Value } from './values'

/**
 * The arguments in the order of `names`; undefined where none is given.
 *
 * @throws TemplateRuntimeError on too many, or a name that is not there
 */
export function bind(
  what: string,
  names: readonly string[],
  args: readonly Value[],
  keywords: Keywords,
): (Value | undefined)[] {
  if (args.length > names.length)
    throw new TemplateRuntimeError(`${what}() takes at most ${names.length} arguments (${args.length} given)`)
  const bound: (Value | undefined)[] = names.map((_, i) => args[i])
  for (const [name, value] of keywords) {
    const at = names.indexOf(name)
    if (at < 0) throw new TemplateRuntimeError(`${what}() got an unexpected keyword argument '${name}'`)
    if (bound[at] !== undefined) throw new TemplateRuntimeError(`${what}() got multiple values for argument '${name}'`)
    bound[at] = value
  }
  return bound
}

export function wantText(what: string, value: Value | undefined): string {
  if (typeof value === 'string') return value
  throw new TemplateRuntimeError(`${what} must be str, not ${value === undefined ? 'nothing' : typeName(value)}`)
}

/** An integer as a JavaScript number; `fallback` where the argument is not given. */
export function wantInt(what: string, value: Value | undefined, fallback?: number): number {
  if (value === undefined && fallback !== undefined) return fallback
  if (typeof value === 'bigint' || typeof value === 'boolean') return Number(value)
  throw new TemplateRuntimeError(`${what} must be int, not ${value === undefined ? 'nothing' : typeName(value)}`)
}

/** Python's `slice(start, stop, step).indices(length)`, as the indices themselves. */
export function sliceIndices(length: number, start?: number, stop?: number, step = 1): number[] {
  if (step === 0) throw new TemplateRuntimeError('slice step cannot be zero')
  const [low, high] = step > 0 ? [0, length] : [-1, length - 1]
  const clamp = (value: number) => Math.min(high, Math.max(low, value < 0 ? value + length : value))
  const from = start === undefined ? (step > 0 ? low : high) : clamp(start)
  const to = stop === undefined ? (step > 0 ? high : low) : clamp(stop)
  const indices: number[] = []
  for (let i = from; step > 0 ? i < to : i > to; i += step) indices.push(i)
  return indices
}
