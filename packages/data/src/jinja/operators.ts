// Python's arithmetic and comparisons.

import type { BinaryOperator, CompareOperator } from './parse/ast'
import { TemplateRuntimeError } from './errors'
import { formatPercent } from './format'
import { compare, contains, isEqual, isList, isNumber, Tuple, typeName, Undefined, type Value } from './values'

const toInt = (value: bigint | boolean): bigint => BigInt(value)

/** @throws TemplateRuntimeError on operands that Python refuses */
export function binary(operator: BinaryOperator, left: Value, right: Value): Value {
  for (const operand of [left, right]) if (operand instanceof Undefined) operand.fail()
  if (isNumber(left) && isNumber(right)) {
    if (typeof left === 'number' || typeof right === 'number') return floats[operator](Number(left), Number(right))
    return integers[operator](toInt(left), toInt(right))
  }
  if (operator === '+') {
    if (typeof left === 'string' && typeof right === 'string') return left + right
    if (isList(left) && isList(right) && left instanceof Tuple === right instanceof Tuple)
      return left instanceof Tuple ? Tuple.from([...left, ...right]) : [...left, ...right]
    if (typeof left === 'string')
      throw new TemplateRuntimeError(`can only concatenate str (not "${typeName(right)}") to str`)
  }
  if (operator === '*') {
    const [sequence, times] = typeof right === 'bigint' ? [left, right] : [right, left]
    const count = typeof times === 'bigint' ? Math.max(0, Number(times)) : undefined
    if (count !== undefined && typeof sequence === 'string') return sequence.repeat(count)
    if (count !== undefined && isList(sequence)) {
      const items = Array.from({ length: count }, () => sequence).flat() as Value[]
      return sequence instanceof Tuple ? Tuple.from(items) : items
    }
  }
  if (operator === '%' && typeof left === 'string') return formatPercent(left, right)
  throw new TemplateRuntimeError(
    `unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`,
  )
}

const byZero = (what: string): never => {
  throw new TemplateRuntimeError(what)
}

const floorMod = (a: number, b: number): number => {
  const rest = a % b
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest
}

const floats: Readonly<Record<BinaryOperator, (a: number, b: number) => number>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => (b === 0 ? byZero('float division by zero') : a / b),
  '//': (a, b) => (b === 0 ? byZero('float floor division by zero') : Math.floor(a / b)),
  '%': (a, b) => (b === 0 ? byZero('float modulo') : floorMod(a, b)),
  '**': (a, b) => a ** b,
}

const floorDivide = (a: bigint, b: bigint): bigint => {
  const quotient = a / b
  return a % b !== 0n && a < 0n !== b < 0n ? quotient - 1n : quotient
}

const integers: Readonly<Record<BinaryOperator, (a: bigint, b: bigint) => Value>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => (b === 0n ? byZero('division by zero') : Number(a) / Number(b)),
  '//': (a, b) => (b === 0n ? byZero('integer division or modulo by zero') : floorDivide(a, b)),
  '%': (a, b) => (b === 0n ? byZero('integer modulo by zero') : a - floorDivide(a, b) * b),
  '**': (a, b) => (b < 0n ? Number(a) ** Number(b) : a ** b),
}

/** @throws TemplateRuntimeError on operands that have no order */
export function compares(operator: CompareOperator, left: Value, right: Value): boolean {
  switch (operator) {
    case '==':
      return isEqual(left, right)
    case '!=':
      return !isEqual(left, right)
    case 'in':
      return contains(right, left)
    case 'not in':
      return !contains(right, left)
    case '<':
      return compare(left, right, '<') < 0
    case '<=':
      return compare(left, right, '<=') <= 0
    case '>':
      return compare(left, right, '>') > 0
    case '>=':
      return compare(left, right, '>=') >= 0
  }
}

/** `-value` or `+value`. */
export function signed(value: Value, negative: boolean): Value {
  if (value instanceof Undefined) value.fail()
  if (typeof value === 'number') return negative ? -value : value
  if (typeof value === 'bigint' || typeof value === 'boolean') return negative ? -toInt(value) : toInt(value)
  throw new TemplateRuntimeError(`bad operand type for unary ${negative ? '-' : '+'}: '${typeName(value)}'`)
}
