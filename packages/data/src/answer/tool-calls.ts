// Calls of tools in what a model says: how each family of chat templates has them written, and reading them as they come.

import { isRecord } from '../records/json'
import type { ToolCall } from './answerer'
import { overlap } from './stop-text'

/** How calls are written. */
interface Syntax {
  /** What is in the chat templates of the family. */
  readonly sign: RegExp
  /** Texts that calls begin with; those of the first kind found in a template count. */
  readonly marks: readonly string[]
  /** A bare object at the beginning of an answer is a call, if it names a tool. */
  readonly bare?: true
}

const syntaxes: Readonly<Record<string, Syntax>> = {
  /** Hermes, Qwen 2.5 and 3, SmolLM3: `<tool_call>{"name", "arguments"}</tool_call>`, one after another. */
  tags: { sign: /<tool_call>/, marks: ['<tool_call>'] },
  /** Mistral: `[TOOL_CALLS] [{"name", "arguments"}]`, later `[TOOL_CALLS]name[ARGS]{…}`. */
  mistral: { sign: /\[TOOL_CALLS\]/, marks: ['[TOOL_CALLS]'] },
  /** Granite 3, Phi-4-mini: `<|tool_call|>[{"name", "arguments"}]`. */
  list: { sign: /<\|tool_call\|>/, marks: ['<|tool_call|>'] },
  /** Llama 3.1 to 3.3: `{"name", "parameters"}`, several with semicolons between. */
  llama: { sign: /python_tag|Environment: ipython|"parameters": /, marks: ['<|python_tag|>'], bare: true },
}

/** What an answer holds beside its text. */
export interface Called {
  /** Text that was held back and is no call. */
  readonly rest: string
  readonly calls: readonly ToolCall[]
}

/**
 * Separates an answer's text from its calls, as it comes. What could be the beginning of a call is held back; what turns out
 * to be none is text.
 */
export class ToolCallText {
  readonly #syntax: Syntax
  readonly #tools: ReadonlySet<string>
  #text = ''
  /** Characters that were shown. */
  #shown = 0
  #calling = false

  /**
   * @param chat source of the chat template; one of no known family is read as Hermes's tags
   * @param tools names of those that may be called
   */
  constructor(chat: string, tools: readonly string[]) {
    this.#syntax = Object.values(syntaxes).find(({ sign }) => sign.test(chat)) ?? syntaxes.tags!
    this.#tools = new Set(tools)
  }

  /** Takes a piece of the answer and returns what is surely text. */
  push(piece: string): string {
    this.#text += piece
    if (this.#calling) return ''
    const until = Math.max(this.#shown, this.#certain())
    const shown = this.#text.slice(this.#shown, until)
    this.#shown = until
    return shown
  }

  /** When nothing more comes. */
  end(): Called {
    const rest = this.#text.slice(this.#shown)
    const calls = this.#calling ? this.#read(rest) : []
    return calls.length > 0 ? { rest: '', calls } : { rest, calls: [] }
  }

  /** How much of the text is no part of a call. */
  #certain(): number {
    const { marks, bare } = this.#syntax
    const begins = this.#text.trimStart()
    if (bare && (begins === '' || begins.startsWith('{'))) {
      this.#calling = begins !== ''
      return 0
    }
    const found = marks.map((mark) => this.#text.indexOf(mark)).filter((at) => at >= 0)
    this.#calling = found.length > 0
    const until = this.#calling
      ? Math.min(...found)
      : this.#text.length - Math.max(...marks.map((mark) => overlap(this.#text, mark)))
    // White space before a call is none of the text.
    return this.#text.slice(0, until).trimEnd().length
  }

  #read(text: string): ToolCall[] {
    const calls: ToolCall[] = []
    let from = 0
    for (;;) {
      const begin = text.slice(from).search(/[[{]/)
      if (begin < 0) return calls
      const at = from + begin
      const value = jsonAt(text, at)
      // Mistral's later form has the name between its marks, before the arguments.
      const name = /\[TOOL_CALLS\]\s*([\w.-]+)\s*(?:\[CALL_ID\]\s*[\w-]+\s*)?\[ARGS\]\s*$/.exec(text.slice(0, at))?.[1]
      if (value && name !== undefined && isRecord(value.json))
        calls.push({ name, arguments: JSON.stringify(value.json) })
      else if (value) calls.push(...[value.json].flat().flatMap((json) => this.#callOf(json) ?? []))
      from = value?.end ?? at + 1
    }
  }

  #callOf(json: unknown): ToolCall | undefined {
    if (!isRecord(json) || typeof json.name !== 'string') return undefined
    if (this.#syntax.bare && !this.#tools.has(json.name)) return undefined
    const given = json.arguments ?? json.parameters ?? {}
    if (typeof given === 'string') return isObjectText(given) ? { name: json.name, arguments: given } : undefined
    return isRecord(given) ? { name: json.name, arguments: JSON.stringify(given) } : undefined
  }
}

function isObjectText(text: string): boolean {
  try {
    return isRecord(JSON.parse(text))
  } catch {
    return false
  }
}

/** The object or list that begins at `from`, and where it ends; undefined for what is no JSON. */
function jsonAt(text: string, from: number): { readonly json: unknown; readonly end: number } | undefined {
  let [depth, inText] = [0, false]
  for (let i = from; i < text.length; i++) {
    const c = text[i]!
    if (inText) {
      if (c === '\\') i++
      else if (c === '"') inText = false
    } else if (c === '"') inText = true
    else if (c === '{' || c === '[') depth++
    else if ((c === '}' || c === ']') && --depth === 0) {
      try {
        return { json: JSON.parse(text.slice(from, i + 1)), end: i + 1 }
      } catch {
        return undefined
      }
    }
  }
  return undefined
}
