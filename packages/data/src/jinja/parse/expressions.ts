// Expressions of a template, by Jinja2's own precedence.

import { compareOperators, type Arguments, type BinaryOperator, type CompareOperator, type Expression } from './ast'
import type { TokenStream } from './token-stream'

const constants: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
])

const noArguments: Arguments = { positional: [], named: [], spread: undefined, namedSpread: undefined }

export class ExpressionParser {
  constructor(readonly stream: TokenStream) {}

  expression(withConditional = true): Expression {
    return withConditional ? this.#conditional() : this.#or()
  }

  /** One expression, or several with commas as a tuple. @param ends names that end it */
  tuple({ withConditional = true, parentheses = false, ends = [] as readonly string[] } = {}): Expression {
    const { stream } = this
    const items: Expression[] = []
    let isTuple = false
    const isEnd = () =>
      stream.is('end') || stream.is('endPrint') || stream.isOperator(')') || (ends.length > 0 && stream.isName(...ends))
    while (!isEnd()) {
      items.push(this.expression(withConditional))
      if (!stream.isOperator(',')) break
      stream.take()
      isTuple = true
    }
    if (isTuple) return { type: 'tuple', items }
    const [only] = items
    if (only !== undefined) return only
    if (!parentheses) throw stream.unexpected('an expression')
    return { type: 'tuple', items }
  }

  #conditional(): Expression {
    let result = this.#or()
    while (this.stream.skip('name', 'if')) {
      const test = this.#or()
      const otherwise = this.stream.skip('name', 'else') ? this.#conditional() : undefined
      result = { type: 'conditional', test, value: result, otherwise }
    }
    return result
  }

  #or(): Expression {
    let left = this.#and()
    while (this.stream.skip('name', 'or')) left = { type: 'or', left, right: this.#and() }
    return left
  }

  #and(): Expression {
    let left = this.#not()
    while (this.stream.skip('name', 'and')) left = { type: 'and', left, right: this.#not() }
    return left
  }

  #not(): Expression {
    if (this.stream.skip('name', 'not')) return { type: 'not', operand: this.#not() }
    return this.#compare()
  }

  #compare(): Expression {
    const left = this.#sum()
    const rest: { operator: CompareOperator; operand: Expression }[] = []
    for (;;) {
      const operator = this.#compareOperator()
      if (operator === undefined) break
      rest.push({ operator, operand: this.#sum() })
    }
    return rest.length === 0 ? left : { type: 'compare', left, rest }
  }

  #compareOperator(): CompareOperator | undefined {
    const { stream } = this
    if (stream.skip('name', 'in')) return 'in'
    if (stream.isName('not') && stream.next?.type === 'name' && stream.next.value === 'in') {
      stream.take()
      stream.take()
      return 'not in'
    }
    if (!stream.is('op')) return undefined
    const operator = compareOperators.find((known) => known === stream.current.value)
    if (operator !== undefined) stream.take()
    return operator
  }

  #binary(operators: readonly BinaryOperator[], operand: () => Expression): Expression {
    let left = operand()
    for (;;) {
      const operator = operators.find((known) => this.stream.isOperator(known))
      if (operator === undefined) return left
      this.stream.take()
      left = { type: 'binary', operator, left, right: operand() }
    }
  }

  #sum = (): Expression => this.#binary(['+', '-'], this.#concat)

  #concat = (): Expression => {
    const first = this.#product()
    if (!this.stream.isOperator('~')) return first
    const items = [first]
    while (this.stream.skip('op', '~')) items.push(this.#product())
    return { type: 'concat', items }
  }

  #product = (): Expression => this.#binary(['*', '/', '//', '%'], this.#power)

  #power = (): Expression => this.#binary(['**'], () => this.#unary(true))

  #unary(withFilter: boolean): Expression {
    const { stream } = this
    let node: Expression
    if (stream.skip('op', '-')) node = { type: 'negative', operand: this.#unary(false) }
    else if (stream.skip('op', '+')) node = { type: 'positive', operand: this.#unary(false) }
    else node = this.#primary()
    node = this.#postfix(node)
    return withFilter ? this.#filtered(node) : node
  }

  #primary(): Expression {
    const { stream } = this
    const token = stream.take()
    switch (token.type) {
      case 'name': {
        const value = constants.get(token.value)
        return value === undefined ? { type: 'name', name: token.value } : { type: 'constant', value }
      }
      case 'string': {
        let value = token.value
        while (stream.is('string')) value += stream.take().value
        return { type: 'constant', value }
      }
      case 'int':
        return { type: 'constant', value: BigInt(token.value) }
      case 'float':
        return { type: 'constant', value: Number(token.value) }
      case 'op':
        if (token.value === '(') {
          const inner = this.tuple({ parentheses: true })
          stream.expect('op', ')')
          return inner
        }
        if (token.value === '[') {
          return { type: 'list', items: this.#items(']', () => this.expression()) }
        }
        if (token.value === '{') {
          const entries = this.#items('}', () => {
            const key = this.expression()
            stream.expect('op', ':')
            return [key, this.expression()] as const
          })
          return { type: 'dict', entries }
        }
    }
    throw stream.error(token.type === 'eof' ? 'unexpected end of template' : `unexpected '${token.value}'`)
  }

  /** What is between commas, up to `close`. */
  #items<T>(close: string, item: () => T): T[] {
    const items: T[] = []
    while (!this.stream.isOperator(close)) {
      if (items.length > 0) this.stream.expect('op', ',')
      if (this.stream.isOperator(close)) break
      items.push(item())
    }
    this.stream.expect('op', close)
    return items
  }

  #postfix(start: Expression): Expression {
    let node = start
    for (;;) {
      if (this.stream.isOperator('.', '[')) node = this.#subscript(node)
      else if (this.stream.isOperator('(')) node = { type: 'invoke', callee: node, args: this.#arguments() }
      else return node
    }
  }

  #subscript(object: Expression): Expression {
    const { stream } = this
    if (stream.skip('op', '.')) {
      const key = stream.take()
      if (key.type === 'name') return { type: 'attribute', object, name: key.value }
      if (key.type === 'int') return { type: 'item', object, key: { type: 'constant', value: BigInt(key.value) } }
      throw stream.error('expected name or number')
    }
    stream.expect('op', '[')
    const start = stream.isOperator(':') ? undefined : this.expression()
    if (!stream.isOperator(':')) {
      let key = start!
      if (stream.isOperator(',')) {
        const items = [key]
        while (stream.skip('op', ',')) if (!stream.isOperator(']')) items.push(this.expression())
        key = { type: 'tuple', items }
      }
      stream.expect('op', ']')
      return { type: 'item', object, key }
    }
    stream.take()
    const part = () => (stream.isOperator(':', ']') ? undefined : this.expression())
    const stop = part()
    const step = stream.skip('op', ':') ? part() : undefined
    stream.expect('op', ']')
    return { type: 'slice', object, start, stop, step }
  }

  #arguments(): Arguments {
    const { stream } = this
    stream.expect('op', '(')
    const positional: Expression[] = []
    const named: { name: string; value: Expression }[] = []
    let spread: Expression | undefined
    let namedSpread: Expression | undefined
    for (let first = true; !stream.isOperator(')'); first = false) {
      if (!first) {
        stream.expect('op', ',')
        if (stream.isOperator(')')) break
      }
      const wrong = () => stream.error('invalid syntax for function call expression')
      if (stream.skip('op', '**')) {
        if (namedSpread !== undefined) throw wrong()
        namedSpread = this.expression()
      } else if (stream.skip('op', '*')) {
        if (spread !== undefined || namedSpread !== undefined) throw wrong()
        spread = this.expression()
      } else if (stream.is('name') && stream.next?.type === 'op' && stream.next.value === '=') {
        if (namedSpread !== undefined) throw wrong()
        const name = stream.take().value
        stream.take()
        named.push({ name, value: this.expression() })
      } else {
        if (spread !== undefined || namedSpread !== undefined || named.length > 0) throw wrong()
        positional.push(this.expression())
      }
    }
    stream.expect('op', ')')
    return { positional, named, spread, namedSpread }
  }

  #filtered(start: Expression): Expression {
    let node = start
    for (;;) {
      if (this.stream.isOperator('|')) node = this.filters(node)!
      else if (this.stream.isName('is')) node = this.#test(node)
      else if (this.stream.isOperator('(')) node = { type: 'invoke', callee: node, args: this.#arguments() }
      else return node
    }
  }

  /** `| name(…) | name …` behind `operand`. @param first whether the first is without its `|` */
  filters(operand: Expression | undefined, first = false): Expression | undefined {
    let node = operand
    for (let bare = first; bare || this.stream.isOperator('|'); bare = false) {
      if (!bare) this.stream.take()
      const name = this.#dottedName()
      node = {
        type: 'filter',
        operand: node,
        name,
        args: this.stream.isOperator('(') ? this.#arguments() : noArguments,
      }
    }
    return node
  }

  #test(operand: Expression): Expression {
    const { stream } = this
    stream.take()
    const negated = stream.skip('name', 'not')
    const name = this.#dottedName()
    let args = noArguments
    if (stream.isOperator('(')) args = this.#arguments()
    else if (['name', 'string', 'int', 'float'].includes(stream.current.type) || stream.isOperator('(', '[', '{')) {
      if (stream.isName('is')) throw stream.error('you cannot chain multiple tests with is')
      if (!stream.isName('else', 'or', 'and', 'if', 'in', 'not'))
        args = { ...noArguments, positional: [this.#postfix(this.#primary())] }
    }
    const test: Expression = { type: 'test', operand, name, args }
    return negated ? { type: 'not', operand: test } : test
  }

  #dottedName(): string {
    let name = this.stream.expect('name').value
    while (this.stream.skip('op', '.')) name += `.${this.stream.expect('name').value}`
    return name
  }
}
