// Runs a template: statements write text, expressions give values.

import type { Arguments, Block, Expression, Macro, Node, Target } from './parse/ast'
import { TemplateRuntimeError } from './errors'
import { applyFilter, hasFilter } from './filters'
import { getAttribute, getItem, getSlice } from './members'
import { binary, compares, signed } from './operators'
import { hasTest, runTest } from './tests'
import { toText } from './text'
import {
  Attributes,
  isDict,
  isEqual,
  isTrue,
  iterate,
  keyOf,
  Namespace,
  orUndefined,
  Tuple,
  typeName,
  Undefined,
  type Callable,
  type Keywords,
  type Value,
} from './values'

/** Names and their values, and the scope around them. */
export class Scope {
  readonly #values = new Map<string, Value>()

  constructor(
    readonly parent?: Scope,
    values: Iterable<readonly [string, Value]> = [],
  ) {
    for (const [name, value] of values) this.#values.set(name, value)
  }

  get(name: string): Value | undefined {
    const value = this.#values.get(name)
    return value === undefined ? this.parent?.get(name) : value
  }

  set(name: string, value: Value): void {
    this.#values.set(name, value)
  }
}

/** How a block ended, where not at its end. */
type Exit = 'break' | 'continue' | undefined

const noKeywords: Keywords = new Map()

/** The text of a block. @throws TemplateRuntimeError as what it does */
export function renderBlock(block: Block, scope: Scope): string {
  const out: string[] = []
  run(block, scope, out)
  return out.join('')
}

function run(block: Block, scope: Scope, out: string[]): Exit {
  for (const node of block) {
    const exit = runNode(node, scope, out)
    if (exit !== undefined) return exit
  }
  return undefined
}

function runNode(node: Node, scope: Scope, out: string[]): Exit {
  switch (node.type) {
    case 'text':
      out.push(node.text)
      return undefined
    case 'print':
      out.push(toText(evaluate(node.expression, scope)))
      return undefined
    case 'if':
      return run(isTrue(evaluate(node.test, scope)) ? node.body : node.otherwise, scope, out)
    case 'for':
      runFor(node, evaluate(node.iterable, scope), scope, out, 0)
      return undefined
    case 'set':
      assign(node.target, evaluate(node.value, scope), scope)
      return undefined
    case 'setBlock': {
      const text = renderBlock(node.body, new Scope(scope))
      assign(node.target, node.filters === undefined ? text : filtered(node.filters, text, scope), scope)
      return undefined
    }
    case 'macro':
      scope.set(node.name, macroOf(node.name, node.macro, scope))
      return undefined
    case 'call': {
      const { call } = node
      if (call.type !== 'invoke') return undefined
      const { args, keywords } = evaluateArguments(call.args, scope)
      const caller = macroOf('caller', node.macro, scope)
      out.push(toText(invoke(evaluate(call.callee, scope), args, new Map([...keywords, ['caller', caller]]))))
      return undefined
    }
    case 'filter':
      out.push(toText(filtered(node.filters, renderBlock(node.body, new Scope(scope)), scope)))
      return undefined
    case 'with': {
      const inner = new Scope(scope)
      const values = node.values.map((value) => evaluate(value, scope))
      node.targets.forEach((target, i) => assign(target, values[i]!, inner))
      return run(node.body, inner, out)
    }
    case 'scope':
      return run(node.body, new Scope(scope), out)
    case 'break':
    case 'continue':
      return node.type
  }
}

function runFor(node: Node & { type: 'for' }, iterable: Value, scope: Scope, out: string[], depth: number): void {
  const { target, test } = node
  const bound = (item: Value) => {
    const inner = new Scope(scope)
    assign(target, item, inner)
    return inner
  }
  let items = [...iterate(iterable)]
  if (test !== undefined) items = items.filter((item) => isTrue(evaluate(test, bound(item))))
  let last: Value[] | undefined
  const recurse: Callable | undefined = node.recursive
    ? ([inner]) => {
        const text: string[] = []
        runFor(node, inner ?? null, scope, text, depth + 1)
        return text.join('')
      }
    : undefined
  for (const [i, item] of items.entries()) {
    const inner = bound(item)
    const attributes: Readonly<Record<string, Value>> = {
      index: BigInt(i + 1),
      index0: BigInt(i),
      revindex: BigInt(items.length - i),
      revindex0: BigInt(items.length - i - 1),
      first: i === 0,
      last: i === items.length - 1,
      length: BigInt(items.length),
      depth: BigInt(depth + 1),
      depth0: BigInt(depth),
      previtem: orUndefined(items[i - 1], 'there is no previous item'),
      nextitem: orUndefined(items[i + 1], 'there is no next item'),
      cycle: (args) => orUndefined(args[i % args.length], 'no items for cycling given'),
      changed: (args) => {
        const isSame = last !== undefined && isEqual(last, [...args])
        last = [...args]
        return !isSame
      },
    }
    const get = (name: string) => (Object.hasOwn(attributes, name) ? attributes[name] : undefined)
    inner.set('loop', new Attributes('LoopContext', get, recurse))
    if (run(node.body, inner, out) === 'break') break
  }
  if (items.length === 0) run(node.otherwise, new Scope(scope), out)
}

function assign(target: Target, value: Value, scope: Scope): void {
  if (target.type === 'name') scope.set(target.name, value)
  else if (target.type === 'member') {
    const namespace = scope.get(target.name)
    if (!(namespace instanceof Namespace))
      throw new TemplateRuntimeError('cannot assign attribute on non-namespace object')
    namespace.entries.set(target.key, value)
  } else {
    const values = [...iterate(value)]
    if (values.length !== target.targets.length) {
      const problem =
        values.length < target.targets.length
          ? `not enough values to unpack (expected ${target.targets.length}, got ${values.length})`
          : `too many values to unpack (expected ${target.targets.length})`
      throw new TemplateRuntimeError(problem)
    }
    target.targets.forEach((part, i) => assign(part, values[i]!, scope))
  }
}

function macroOf(name: string, { parameters, body, uses }: Macro, scope: Scope): Attributes {
  const call: Callable = (args, keywords) => {
    const rest = new Map(keywords)
    const inner = new Scope(scope)
    // Every parameter hides its name outside, also where a default before it is evaluated.
    for (const parameter of parameters)
      inner.set(parameter.name, new Undefined(`parameter '${parameter.name}' was not provided`))
    parameters.forEach((parameter, i) => {
      const given = args[i] === undefined ? rest.get(parameter.name) : args[i]
      if (args[i] === undefined) rest.delete(parameter.name)
      else if (rest.has(parameter.name))
        throw new TemplateRuntimeError(`macro '${name}' got multiple values for argument '${parameter.name}'`)
      if (given !== undefined) inner.set(parameter.name, given)
      else if (parameter.fallback !== undefined) inner.set(parameter.name, evaluate(parameter.fallback, inner))
    })
    if (uses.has('caller')) inner.set('caller', orUndefined(rest.get('caller'), 'No caller defined'))
    if (uses.has('caller') || parameters.some((parameter) => parameter.name === 'caller')) rest.delete('caller')
    if (uses.has('kwargs')) inner.set('kwargs', rest)
    else if (rest.size > 0)
      throw new TemplateRuntimeError(`macro '${name}' takes no keyword argument '${[...rest.keys()][0]}'`)
    if (uses.has('varargs')) inner.set('varargs', Tuple.from(args.slice(parameters.length)))
    else if (args.length > parameters.length)
      throw new TemplateRuntimeError(`macro '${name}' takes not more than ${parameters.length} argument(s)`)
    return renderBlock(body, inner)
  }
  const attributes: Readonly<Record<string, Value>> = {
    name,
    arguments: Tuple.from(parameters.map((parameter) => parameter.name)),
    catch_kwargs: uses.has('kwargs'),
    catch_varargs: uses.has('varargs'),
    caller: uses.has('caller'),
  }
  return new Attributes('Macro', (key) => (Object.hasOwn(attributes, key) ? attributes[key] : undefined), call)
}

function invoke(callee: Value, args: readonly Value[], keywords: Keywords): Value {
  if (typeof callee === 'function') return callee(args, keywords)
  if (callee instanceof Attributes && callee.call !== undefined) return callee.call(args, keywords)
  if (callee instanceof Undefined) callee.fail()
  throw new TemplateRuntimeError(`'${typeName(callee)}' object is not callable`)
}

function evaluateArguments(args: Arguments, scope: Scope): { args: Value[]; keywords: Keywords } {
  const { positional, named, spread, namedSpread } = args
  const values = positional.map((expression) => evaluate(expression, scope))
  if (spread !== undefined) values.push(...iterate(evaluate(spread, scope)))
  if (named.length === 0 && namedSpread === undefined) return { args: values, keywords: noKeywords }
  const keywords = new Map(named.map(({ name, value }) => [name, evaluate(value, scope)]))
  if (namedSpread !== undefined) {
    const more = evaluate(namedSpread, scope)
    if (!isDict(more)) throw new TemplateRuntimeError('argument after ** must be a mapping')
    for (const [name, value] of more) keywords.set(toText(name), value)
  }
  return { args: values, keywords }
}

/** A chain of filters over the text of a block. */
function filtered(filter: Expression, text: string, scope: Scope): Value {
  if (filter.type !== 'filter') return text
  const operand = filter.operand === undefined ? text : filtered(filter.operand, text, scope)
  const { args, keywords } = evaluateArguments(filter.args, scope)
  return applyFilter(filter.name, operand, args, keywords)
}

/** @throws TemplateRuntimeError where Python or Jinja raises */
function evaluate(node: Expression, scope: Scope): Value {
  switch (node.type) {
    case 'constant':
      return node.value
    case 'name':
      return orUndefined(scope.get(node.name), `'${node.name}' is undefined`)
    case 'list':
      return node.items.map((item) => evaluate(item, scope))
    case 'tuple':
      return Tuple.from(node.items.map((item) => evaluate(item, scope)))
    case 'dict':
      return new Map(node.entries.map(([key, value]) => [keyOf(evaluate(key, scope)), evaluate(value, scope)]))
    case 'concat':
      return node.items.map((item) => toText(evaluate(item, scope))).join('')
    case 'conditional': {
      if (isTrue(evaluate(node.test, scope))) return evaluate(node.value, scope)
      return node.otherwise === undefined
        ? new Undefined('the inline if-expression evaluated to false and no else section was defined.')
        : evaluate(node.otherwise, scope)
    }
    case 'and': {
      const left = evaluate(node.left, scope)
      return isTrue(left) ? evaluate(node.right, scope) : left
    }
    case 'or': {
      const left = evaluate(node.left, scope)
      return isTrue(left) ? left : evaluate(node.right, scope)
    }
    case 'not':
      return !isTrue(evaluate(node.operand, scope))
    case 'negative':
    case 'positive':
      return signed(evaluate(node.operand, scope), node.type === 'negative')
    case 'binary':
      return binary(node.operator, evaluate(node.left, scope), evaluate(node.right, scope))
    case 'compare': {
      let left = evaluate(node.left, scope)
      for (const { operator, operand } of node.rest) {
        const right = evaluate(operand, scope)
        if (!compares(operator, left, right)) return false
        left = right
      }
      return true
    }
    case 'attribute':
      return getAttribute(evaluate(node.object, scope), node.name)
    case 'item':
      return getItem(evaluate(node.object, scope), evaluate(node.key, scope))
    case 'slice': {
      const [start, stop, step] = [node.start, node.stop, node.step].map((part) => part && evaluate(part, scope))
      return getSlice(evaluate(node.object, scope), start, stop, step)
    }
    case 'invoke': {
      const callee = evaluate(node.callee, scope)
      const { args, keywords } = evaluateArguments(node.args, scope)
      return invoke(callee, args, keywords)
    }
    case 'filter': {
      const operand = evaluate(node.operand!, scope)
      const { args, keywords } = evaluateArguments(node.args, scope)
      return applyFilter(node.name, operand, args, keywords)
    }
    case 'test': {
      const operand = evaluate(node.operand, scope)
      const { args } = evaluateArguments(node.args, scope)
      if (node.name === 'filter') return hasFilter(toText(operand))
      if (node.name === 'test') return hasTest(toText(operand))
      return runTest(node.name, operand, args)
    }
  }
}
