// Jinja's tests: `value is name(…)`.

import { wantInt } from './arguments'
import { TemplateRuntimeError } from './errors'
import { binary, compares } from './operators'
import { Attributes, isDict, isEqual, isList, isNumber, Lazy, Undefined, type Value } from './values'
import { toText } from './text'

type Test = (value: Value, ...args: Value[]) => boolean

const remainder = (value: Value, by: bigint): Value => binary('%', value, by)
const isInteger = (value: Value): boolean => typeof value === 'bigint'

const base: Readonly<Record<string, Test>> = {
  boolean: (value) => typeof value === 'boolean',
  callable: (value) =>
    typeof value === 'function' ||
    (value instanceof Attributes && value.call !== undefined) ||
    value instanceof Undefined,
  defined: (value) => !(value instanceof Undefined),
  divisibleby: (value, by) => isEqual(remainder(value, BigInt(wantInt('divisibleby', by))), 0n),
  eq: (value, other) => isEqual(value, other!),
  escaped: () => false,
  even: (value) => isEqual(remainder(value, 2n), 0n),
  false: (value) => value === false,
  float: (value) => typeof value === 'number',
  ge: (value, other) => compares('>=', value, other!),
  gt: (value, other) => compares('>', value, other!),
  in: (value, container) => compares('in', value, container!),
  integer: isInteger,
  iterable: (value) =>
    typeof value === 'string' || isList(value) || isDict(value) || value instanceof Lazy || value instanceof Undefined,
  le: (value, other) => compares('<=', value, other!),
  lower: (value) => {
    const text = toText(value)
    return text !== text.toUpperCase() && text === text.toLowerCase()
  },
  lt: (value, other) => compares('<', value, other!),
  mapping: isDict,
  ne: (value, other) => !isEqual(value, other!),
  none: (value) => value === null,
  number: (value) => isNumber(value),
  odd: (value) => isEqual(remainder(value, 2n), 1n),
  sameas: (value, other) => value === other,
  sequence: (value) => typeof value === 'string' || isList(value) || isDict(value) || value instanceof Undefined,
  string: (value) => typeof value === 'string',
  true: (value) => value === true,
  undefined: (value) => value instanceof Undefined,
  upper: (value) => {
    const text = toText(value)
    return text !== text.toLowerCase() && text === text.toUpperCase()
  },
}

const aliases: Readonly<Record<string, string>> = {
  '==': 'eq',
  equalto: 'eq',
  '!=': 'ne',
  '>': 'gt',
  greaterthan: 'gt',
  '>=': 'ge',
  '<': 'lt',
  lessthan: 'lt',
  '<=': 'le',
}

/** @throws TemplateRuntimeError when Jinja has no test of the name */
export function runTest(name: string, value: Value, args: readonly Value[]): boolean {
  const known = aliases[name] ?? name
  const test = Object.hasOwn(base, known) ? base[known] : undefined
  if (test === undefined) throw new TemplateRuntimeError(`No test named '${name}'.`)
  return test(value, ...args)
}

export const hasTest = (name: string): boolean => Object.hasOwn(base, aliases[name] ?? name)
