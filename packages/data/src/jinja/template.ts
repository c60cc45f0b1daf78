// Jinja as transformers sets it up for chat templates: trim_blocks, lstrip_blocks, loop controls, no escaping, a sandbox.

import type { Block } from './parse/ast'
import { sliceIndices, wantInt } from './arguments'
import { TemplateRefusal, TemplateRuntimeError } from './errors'
import { parseTemplate } from './parse/parser'
import { renderBlock, Scope } from './render'
import { strftime } from './strftime'
import { toText } from './text'
import { fromJson, isDict, iterate, Namespace, type Callable, type Value } from './values'

const dict: Callable = (args, keywords) => {
  const [source] = args
  const entries: [Value, Value][] =
    source === undefined
      ? []
      : isDict(source)
        ? [...source]
        : Array.from(iterate(source), (pair) => [...iterate(pair)] as [Value, Value])
  return new Map<Value, Value>([...entries, ...keywords])
}

const namespace: Callable = (args, keywords) => {
  const made = new Namespace()
  for (const [name, value] of dict(args, keywords) as ReadonlyMap<Value, Value>) {
    const key = toText(name)
    if (key.startsWith('_'))
      throw new TemplateRuntimeError(
        `Chat templates cannot store underscore-prefixed attributes on a namespace, but got '${key}'.`,
      )
    made.entries.set(key, value)
  }
  return made
}

/** Longest range that the sandbox makes. */
const MAX_RANGE = 100_000

const range: Callable = (args) => {
  const [a, b, c] = args.map((value) => wantInt('range', value)) as [number, number?, number?]
  const [start, stop, step] = b === undefined ? [0, a, 1] : [a, b, c ?? 1]
  if (step === 0) throw new TemplateRuntimeError('range() arg 3 must not be zero')
  const count = Math.max(0, Math.ceil((stop - start) / step))
  if (count > MAX_RANGE)
    throw new TemplateRuntimeError(`Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`)
  return sliceIndices(count).map((i) => BigInt(start + i * step))
}

const globals: readonly (readonly [string, Value])[] = [
  ['dict', dict],
  ['namespace', namespace],
  ['range', range],
  [
    'raise_exception',
    ([message]) => {
      throw new TemplateRefusal(toText(message ?? ''))
    },
  ],
]

/** A compiled chat template. */
export class JinjaTemplate {
  readonly #block: Block

  /** @throws TemplateSyntaxError when the source is no Jinja */
  constructor(source: string) {
    this.#block = parseTemplate(source)
  }

  /**
   * The text for these variables, given as values of JSON.
   *
   * @param now what `strftime_now` tells
   * @throws TemplateRefusal where the template calls `raise_exception`
   * @throws TemplateRuntimeError where Jinja or Python would raise
   */
  render(variables: Readonly<Record<string, unknown>>, now: Date = new Date()): string {
    const clock: Callable = ([format]) => strftime(now, toText(format ?? ''))
    const around = new Scope(undefined, [...globals, ['strftime_now', clock]])
    const context = Object.entries(variables)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, fromJson(value)] as const)
    try {
      return renderBlock(this.#block, new Scope(around, context))
    } catch (error) {
      // Templates that call themselves without end overflow the stack, which names nothing.
      if (error instanceof RangeError) throw new TemplateRuntimeError('maximum recursion depth exceeded')
      throw error
    }
  }
}
