// `value.name` and `value[key]`, and the methods of lists and dicts, in the sandbox that transformers uses: nothing changes.

import { bind, sliceIndices, wantInt } from './arguments'
import { TemplateRuntimeError } from './errors'
import { stringMethod } from './string-methods'
import {
  Attributes,
  isDict,
  isEqual,
  isList,
  isNumber,
  isHashable,
  keyOf,
  Namespace,
  Tuple,
  typeName,
  Undefined,
  type Callable,
  type Dict,
  type Value,
} from './values'
import { repr, toText } from './text'

type Methods<T> = Readonly<Record<string, (value: T) => Callable>>

/** Methods that change their object; the sandbox refuses to call them. */
const listChanges = ['append', 'clear', 'extend', 'insert', 'pop', 'remove', 'reverse', 'sort']
const dictChanges = ['clear', 'pop', 'popitem', 'setdefault', 'update']

const dictMethods: Methods<Dict> = {
  get: (dict) => (args, keywords) => {
    const [key, fallback] = bind('get', ['key', 'default'], args, keywords)
    if (key === undefined) throw new TemplateRuntimeError('get expected at least 1 argument, got 0')
    const found = dict.get(keyOf(key))
    return found === undefined ? (fallback ?? null) : found
  },
  items: (dict) => () => [...dict].map((entry) => Tuple.from(entry)),
  keys: (dict) => () => [...dict.keys()],
  values: (dict) => () => [...dict.values()],
  copy: (dict) => () => new Map(dict),
}

const listMethods: Methods<readonly Value[]> = {
  index: (list) => (args) => {
    const at = list.findIndex((item) => isEqual(item, args[0]!))
    if (at < 0) throw new TemplateRuntimeError(`${repr(args[0]!)} is not in list`)
    return BigInt(at)
  },
  count: (list) => (args) => BigInt(list.filter((item) => isEqual(item, args[0]!)).length),
  copy: (list) => () => [...list],
}

const refuse =
  (type: string, name: string): Callable =>
  () => {
    throw new TemplateRuntimeError(`access to attribute '${name}' of '${type}' object is unsafe: it would change it`)
  }

const own = <T>(methods: Methods<T>, name: string): ((value: T) => Callable) | undefined =>
  Object.hasOwn(methods, name) ? methods[name] : undefined

/** What Python's `getattr` would find. */
function attribute(object: Value, name: string): Value | undefined {
  if (typeof object === 'string') return stringMethod(object, name)
  if (isDict(object)) return dictChanges.includes(name) ? refuse('dict', name) : own(dictMethods, name)?.(object)
  if (isList(object)) {
    if (!(object instanceof Tuple) && listChanges.includes(name)) return refuse('list', name)
    return name === 'copy' && object instanceof Tuple ? undefined : own(listMethods, name)?.(object)
  }
  if (object instanceof Namespace) return object.entries.get(name)
  if (object instanceof Attributes) return object.get(name)
  if (isNumber(object)) {
    if (name === 'real') return object
    if (name === 'is_integer') return () => Number.isInteger(Number(object))
  }
  return undefined
}

const missing = (object: Value, name: string): Undefined =>
  new Undefined(
    object instanceof Undefined
      ? object.problem
      : `'${object === null ? 'None' : `${typeName(object)} object`}' has no attribute '${name}'`,
  )

/** `object.name`: an attribute first, then an item. @throws TemplateRuntimeError on what is undefined */
export function getAttribute(object: Value, name: string): Value {
  if (object instanceof Undefined) return object.fail()
  if (name.startsWith('__')) return missing(object, name)
  const found = attribute(object, name)
  if (found !== undefined) return found
  const item = isDict(object) ? object.get(name) : undefined
  return item === undefined ? missing(object, name) : item
}

/** `object[key]`: an item first, then an attribute. @throws TemplateRuntimeError on what is undefined */
export function getItem(object: Value, key: Value): Value {
  if (object instanceof Undefined) return object.fail()
  let item: Value | undefined
  if (isDict(object)) item = isHashable(key) ? object.get(keyOf(key)) : undefined
  else if (typeof object === 'string' || isList(object)) {
    if (typeof key === 'bigint' || typeof key === 'boolean') {
      const list = typeof object === 'string' ? [...object] : object
      item = list.at(Number(key))
      if (item === undefined) return new Undefined(`${typeName(object)} object has no element ${repr(key)}`)
    }
  }
  if (item !== undefined) return item
  if (typeof key === 'string') {
    const found = key.startsWith('__') ? undefined : attribute(object, key)
    return found === undefined ? missing(object, key) : found
  }
  return new Undefined(`${typeName(object)} object has no element ${repr(key)}`)
}

/** `object[start:stop:step]`. @throws TemplateRuntimeError where the object has no order */
export function getSlice(object: Value, start?: Value, stop?: Value, step?: Value): Value {
  if (object instanceof Undefined) return object.fail()
  if (typeof object !== 'string' && !isList(object))
    throw new TemplateRuntimeError(`'${typeName(object)}' object is not subscriptable`)
  const index = (value: Value | undefined) =>
    value === undefined || value === null ? undefined : wantInt('slice indices', value)
  const list: readonly Value[] = typeof object === 'string' ? [...object] : object
  const taken = sliceIndices(list.length, index(start), index(stop), index(step)).map((i) => list[i]!)
  if (typeof object === 'string') return taken.map(toText).join('')
  return object instanceof Tuple ? Tuple.from(taken) : taken
}

/** The value at a path of `attribute=` arguments, such as `user.name` or `0`; `fallback` for what is not there. */
export function getPath(object: Value, path: Value, fallback?: Value): Value {
  const parts = typeof path === 'bigint' ? [path] : toText(path).split('.')
  return parts.reduce<Value>((value, part) => {
    const found = getItem(value, typeof part === 'string' && /^\d+$/.test(part) ? BigInt(part) : part)
    return found instanceof Undefined && fallback !== undefined ? fallback : found
  }, object)
}
