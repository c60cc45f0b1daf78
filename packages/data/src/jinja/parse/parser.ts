// Statements of a template.

import type { Block, Expression, Macro, Node, Target } from './ast'
import { ExpressionParser } from './expressions'
import { TokenStream } from './token-stream'

/** @throws TemplateSyntaxError on what is no Jinja, or a statement that chat templates have no use for */
export function parseTemplate(template: string): Block {
  const parser = new Parser(new TokenStream(template))
  return parser.block([])
}

/** Names that a macro may use without declaring them. */
const special = ['caller', 'varargs', 'kwargs'] as const

class Parser {
  readonly #expressions: ExpressionParser
  #loops = 0

  constructor(readonly stream: TokenStream) {
    this.#expressions = new ExpressionParser(stream)
  }

  /** Up to a statement that begins with one of `ends`, whose name is left to take; to the end where there are none. */
  block(ends: readonly string[]): Node[] {
    const { stream } = this
    const nodes: Node[] = []
    for (;;) {
      if (stream.is('data')) nodes.push({ type: 'text', text: stream.take().value })
      else if (stream.skip('print')) {
        nodes.push({ type: 'print', expression: this.#expressions.tuple() })
        stream.expect('endPrint')
      } else if (stream.skip('begin')) {
        if (ends.length > 0 && stream.isName(...ends)) return nodes
        nodes.push(...this.#statement())
        stream.expect('end')
      } else if (ends.length === 0 && stream.is('eof')) return nodes
      else throw stream.unexpected(ends.join("' or '"))
    }
  }

  #statement(): Node[] {
    const { stream } = this
    const name = stream.expect('name').value
    const known = this.#statements[name]
    if (known === undefined) throw stream.error(`encountered unknown tag '${name}'`)
    return known()
  }

  readonly #statements: Readonly<Record<string, () => Node[]>> = {
    if: () => [this.#if()],
    for: () => [this.#for()],
    set: () => [this.#set()],
    macro: () => {
      const name = this.stream.expect('name').value
      return [{ type: 'macro', name, macro: this.#macro('endmacro') }]
    },
    call: () => {
      const hasParameters = this.stream.isOperator('(')
      const parameters = hasParameters ? this.#parameters() : []
      const call = this.#expressions.expression()
      if (call.type !== 'invoke') throw this.stream.error('expected call')
      return [{ type: 'call', call, macro: this.#macro('endcall', parameters) }]
    },
    filter: () => {
      const filters = this.#expressions.filters(undefined, true)!
      return [{ type: 'filter', filters, body: this.#body('endfilter') }]
    },
    with: () => {
      const targets: Target[] = []
      const values: Expression[] = []
      while (!this.stream.is('end')) {
        if (targets.length > 0) this.stream.expect('op', ',')
        targets.push(this.#target())
        this.stream.expect('op', '=')
        values.push(this.#expressions.expression())
      }
      return [{ type: 'with', targets, values, body: this.#body('endwith') }]
    },
    print: () => [{ type: 'print', expression: this.#expressions.tuple() }],
    generation: () => [{ type: 'scope', body: this.#body('endgeneration') }],
    break: () => [this.#loopControl('break')],
    continue: () => [this.#loopControl('continue')],
  }

  #loopControl(type: 'break' | 'continue'): Node {
    if (this.#loops === 0) throw this.stream.error(`'${type}' outside loop`)
    return { type }
  }

  /** The block of a statement whose head ends here, and its end. */
  #body(...ends: readonly string[]): Node[] {
    this.stream.expect('end')
    const body = this.block(ends)
    this.stream.take()
    return body
  }

  #if(): Node {
    const test = this.#expressions.tuple({ withConditional: false })
    this.stream.expect('end')
    const body = this.block(['elif', 'else', 'endif'])
    const end = this.stream.take().value
    const otherwise = end === 'elif' ? [this.#if()] : end === 'else' ? this.#body('endif') : []
    return { type: 'if', test, body, otherwise }
  }

  #for(): Node {
    const { stream } = this
    const target = this.#target()
    stream.expect('name', 'in')
    const iterable = this.#expressions.tuple({ withConditional: false, ends: ['recursive'] })
    const test = stream.skip('name', 'if') ? this.#expressions.expression() : undefined
    const recursive = stream.skip('name', 'recursive')
    stream.expect('end')
    this.#loops++
    const body = this.block(['endfor', 'else'])
    this.#loops--
    const otherwise = stream.take().value === 'else' ? this.#body('endfor') : []
    return { type: 'for', target, iterable, test, recursive, body, otherwise }
  }

  #set(): Node {
    const target = this.#target(true)
    if (this.stream.skip('op', '=')) return { type: 'set', target, value: this.#expressions.tuple() }
    const filters = this.#expressions.filters(undefined)
    return { type: 'setBlock', target, filters, body: this.#body('endset') }
  }

  /** A name, names with commas, or, where it may be, `namespace.name`. */
  #target(withMember = false): Target {
    const { stream } = this
    const one = (): Target => {
      if (stream.skip('op', '(')) {
        const inner = this.#target(withMember)
        stream.expect('op', ')')
        return inner
      }
      const { value: name } = stream.expect('name')
      if (withMember && stream.skip('op', '.')) return { type: 'member', name, key: stream.expect('name').value }
      if (['true', 'false', 'none', 'True', 'False', 'None'].includes(name))
        throw stream.error(`can't assign to '${name}'`)
      return { type: 'name', name }
    }
    const first = one()
    if (!stream.isOperator(',')) return first
    const targets = [first]
    while (stream.skip('op', ',')) {
      if (stream.isName('in') || stream.isOperator('=')) break
      targets.push(one())
    }
    return { type: 'targets', targets }
  }

  #parameters(): Macro['parameters'] {
    const { stream } = this
    const parameters: { name: string; fallback: Expression | undefined }[] = []
    stream.expect('op', '(')
    while (!stream.isOperator(')')) {
      if (parameters.length > 0) stream.expect('op', ',')
      if (stream.isOperator(')')) break
      const { value: name } = stream.expect('name')
      const fallback = stream.skip('op', '=') ? this.#expressions.expression() : undefined
      if (fallback === undefined && parameters.at(-1)?.fallback !== undefined)
        throw stream.error('non-default argument follows default argument')
      parameters.push({ name, fallback })
    }
    stream.expect('op', ')')
    return parameters
  }

  #macro(end: string, parameters = this.#parameters()): Macro {
    const loops = this.#loops
    this.#loops = 0
    const body = this.#body(end)
    this.#loops = loops
    const names = new Set(parameters.map(({ name }) => name))
    const uses = new Set(special.filter((name) => !names.has(name) && mentions(body, name)))
    return { parameters, body, uses }
  }
}

/** Whether the name is read anywhere in the tree. */
function mentions(tree: unknown, name: string): boolean {
  if (Array.isArray(tree)) return tree.some((part) => mentions(part, name))
  if (typeof tree !== 'object' || tree === null) return false
  if ('type' in tree && tree.type === 'name' && 'name' in tree && tree.name === name) return true
  return Object.values(tree).some((part) => mentions(part, name))
}
