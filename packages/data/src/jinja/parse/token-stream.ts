// The parser's view of the tokens: one after another, with what it expects of them.

import { TemplateSyntaxError } from '../errors'
import { tokenize, type Token, type TokenType } from './lexer'

export class TokenStream {
  readonly #tokens: readonly Token[]
  #at = 0

  /** @throws TemplateSyntaxError as the lexer does */
  constructor(template: string) {
    this.#tokens = tokenize(template)
  }

  get current(): Token {
    return this.#tokens[this.#at]!
  }

  get next(): Token | undefined {
    return this.#tokens[this.#at + 1]
  }

  /** The current token, which is then behind. */
  take(): Token {
    const token = this.current
    if (token.type !== 'eof') this.#at++
    return token
  }

  is(type: TokenType, value?: string): boolean {
    return this.current.type === type && (value === undefined || this.current.value === value)
  }

  isName = (...names: readonly string[]): boolean => this.current.type === 'name' && names.includes(this.current.value)

  isOperator = (...operators: readonly string[]): boolean =>
    this.current.type === 'op' && operators.includes(this.current.value)

  /** Takes it where it is this one. */
  skip(type: TokenType, value?: string): boolean {
    if (!this.is(type, value)) return false
    this.take()
    return true
  }

  expect(type: TokenType, value?: string): Token {
    if (!this.is(type, value)) throw this.unexpected(value ?? type)
    return this.take()
  }

  error(problem: string): TemplateSyntaxError {
    return new TemplateSyntaxError(problem, this.current.line)
  }

  unexpected(expected?: string): TemplateSyntaxError {
    const { type, value } = this.current
    const names: Partial<Record<TokenType, string>> = {
      eof: 'end of template',
      end: 'end of statement block',
      endPrint: 'end of print statement',
    }
    const got = names[type] ?? `'${value}'`
    return this.error(expected === undefined ? `unexpected ${got}` : `expected '${expected}', got ${got}`)
  }
}
