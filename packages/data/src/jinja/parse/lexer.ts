// Jinja source to tokens, as Jinja2's lexer does with trim_blocks and lstrip_blocks, which is how transformers sets it up.

import { TemplateSyntaxError } from '../errors'
import { stripEnd, unescapeString } from '../strings'

export type TokenType =
  | 'data'
  | 'begin'
  | 'end'
  | 'print'
  | 'endPrint'
  | 'name'
  | 'string'
  | 'int'
  | 'float'
  | 'op'
  | 'eof'

export interface Token {
  readonly type: TokenType
  /** Text of data and operators, content of strings, digits of numbers, the word of a name. */
  readonly value: string
  readonly line: number
}

/** What opens something in the text outside: a raw block first, then blocks, comments and expressions. */
const opening = /\{%[-+]?\s*raw\s*(?:-%\}\s*|%\})|\{%[-+]?|\{#[-+]?|\{\{[-+]?/g
const rawEnd = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g
const commentEnd = /\+#\}|-#\}\s*|#\}\n?/g
const blockEnd = /\+%\}|-%\}\s*|%\}\n?/y
const printEnd = /-\}\}\s*|\}\}/y
const space = /\s+/y
const float = /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy
const integer = /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy
const name = /[\p{L}\p{Nl}\p{Nd}\p{Mn}\p{Mc}\p{Pc}]+/uy
const string = /'(?:[^'\\]|\\[^])*'|"(?:[^"\\]|\\[^])*"/y
const operator = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y
const closes: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

/** @throws TemplateSyntaxError on what is no Jinja */
export function tokenize(template: string): Token[] {
  const source = template.replaceAll(/\r\n?/g, '\n').replace(/\n$/, '')
  const tokens: Token[] = []
  let at = 0
  let line = 1
  // Whether the last thing read ended a line, so that what follows begins one.
  let startsLine = true

  const push = (type: TokenType, value: string) => tokens.push({ type, value, line })
  const moveTo = (end: number) => {
    for (let i = at; i < end; i++) if (source[i] === '\n') line++
    if (end > at) startsLine = source[end - 1] === '\n'
    at = end
  }
  const find = (pattern: RegExp, from: number, what: string): RegExpExecArray => {
    pattern.lastIndex = from
    const match = pattern.exec(source)
    if (match === null) throw new TemplateSyntaxError(what, line)
    return match
  }
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    return pattern.exec(source)?.[0]
  }

  /** The text before a tag, without the white space that the tag takes off. */
  const before = (text: string, sign: string | undefined, isBlock: boolean): string => {
    if (sign === '-') return stripEnd(text)
    if (sign === '+' || !isBlock) return text
    const lineStart = text.lastIndexOf('\n') + 1
    return (lineStart > 0 || startsLine) && /^\s+$/.test(text.slice(lineStart)) ? text.slice(0, lineStart) : text
  }
  const pushData = (text: string) => {
    if (text !== '') push('data', text)
  }

  const inside = (isPrint: boolean) => {
    const open: string[] = []
    for (;;) {
      const end = open.length === 0 ? match(isPrint ? printEnd : blockEnd) : undefined
      if (end !== undefined) {
        push(isPrint ? 'endPrint' : 'end', '')
        moveTo(at + end.length)
        return
      }
      if (at >= source.length) throw new TemplateSyntaxError('unexpected end of template', line)
      let text: string | undefined
      if ((text = match(space)) !== undefined) {
        // Only between tokens.
      } else if ((text = match(float)) !== undefined) push('float', text.replaceAll('_', ''))
      else if ((text = match(integer)) !== undefined) push('int', text.replaceAll('_', ''))
      else if ((text = match(name)) !== undefined) push('name', text)
      else if ((text = match(string)) !== undefined) push('string', unescapeString(text.slice(1, -1)))
      else if ((text = match(operator)) !== undefined) {
        const close = closes[text]
        if (close !== undefined) open.push(close)
        else if (text === ')' || text === ']' || text === '}') {
          const expected = open.pop()
          if (expected !== text)
            throw new TemplateSyntaxError(
              expected === undefined ? `unexpected '${text}'` : `unexpected '${text}', expected '${expected}'`,
              line,
            )
        }
        push('op', text)
      } else throw new TemplateSyntaxError(`unexpected char ${JSON.stringify(source[at])}`, line)
      moveTo(at + text.length)
    }
  }

  while (at < source.length) {
    opening.lastIndex = at
    const tag = opening.exec(source)
    if (tag === null) {
      pushData(source.slice(at))
      moveTo(source.length)
      break
    }
    const [text] = tag
    const isPrint = text.startsWith('{{')
    const sign = text[2]
    pushData(before(source.slice(at, tag.index), sign, !isPrint))
    moveTo(tag.index + text.length)
    if (text.startsWith('{#')) {
      const end = find(commentEnd, at, 'missing end of comment tag')
      moveTo(end.index + end[0].length)
    } else if (text.length > 3) {
      const end = find(rawEnd, at, 'missing end of raw directive')
      const raw = source.slice(at, end.index)
      pushData(before(raw, end[1], true))
      moveTo(end.index + end[0].length)
    } else {
      push(isPrint ? 'print' : 'begin', '')
      inside(isPrint)
    }
  }
  push('eof', '')
  return tokens
}
