// A conversation in the terminal: what a line of it means, and what is kept between lines.
import type { Answer, Answerer, AnswerOptions, ChatMessage, ContextDocument, Piece } from '@jora/data'
import { readText } from '@jora/data'
import { writeFileAtomic } from '@jora/tensor/files'
import { basename } from 'node:path'

/** Where the words of a conversation go. */
export interface Screen {
  /** A note beside the conversation. */
  note(line: string): void
  /** A name before an answer, where two answer. */
  speaker(name: string): void
  say(text: string): void
  /** The end of an answer; `cut` where it was not whole. */
  end(cut: boolean, passages: Answer['passages']): void
}

export interface Speakers {
  /** Who answers. */
  readonly main: Answerer
  /** The base beside a tuned model, for /compare. */
  readonly base?: Answerer | undefined
}

/** Commands by name: how they are used, and what they do. */
const help = {
  context: '/context FILE  answer from this text too; without FILE: from no text',
  compare: '/compare       base and tuned answer side by side, or no more',
  retry: '/retry         answer the last message again, otherwise',
  save: '/save FILE     write the conversation as a row to train on, JSONL',
  help: '/help          this list',
  exit: '/exit          end (as Ctrl-D)',
} as const
type Command = keyof typeof help

export class Conversation {
  readonly #speakers: Speakers
  readonly #options: AnswerOptions & { readonly seed: number }
  readonly #screen: Screen
  readonly #start: readonly ChatMessage[]
  readonly #documents: ContextDocument[] = []
  #turns: ChatMessage[] = []
  #compares = false
  #tries = 0

  constructor(speakers: Speakers, options: AnswerOptions & { readonly seed: number }, screen: Screen, system?: string) {
    this.#speakers = speakers
    this.#options = options
    this.#screen = screen
    this.#start = system === undefined ? [] : [{ role: 'system', content: system }]
  }

  /** All that was said and answered so far, the system's text first. */
  get messages(): ChatMessage[] {
    return [...this.#start, ...this.#turns]
  }

  /**
   * Takes a line that was typed: a command, or a message to answer.
   *
   * @param signal ends the answer; what was said of it stays
   * @returns false when the conversation is over
   * @throws Error for a message that the model or its template cannot take; the conversation is as before it
   */
  async take(line: string, signal: AbortSignal): Promise<boolean> {
    const [, name, rest = ''] = /^\/(\w+)\s*(.*)$/.exec(line.trim()) ?? []
    if (name === undefined) {
      if (line.trim() !== '') await this.#answer([...this.#turns, { role: 'user', content: line.trim() }], signal)
      return true
    }
    if (name === 'exit' || name === 'quit') return false
    const commands: Record<Exclude<Command, 'exit'>, () => void | Promise<void>> = {
      context: () => this.#context(rest),
      compare: () => this.#compare(),
      retry: () => this.#retry(signal),
      save: () => this.#save(rest),
      help: () => Object.values(help).forEach((about) => this.#screen.note(about)),
    }
    const command = Object.entries(commands).find(([known]) => known === name)?.[1]
    if (command) await command()
    else this.#screen.note(`there is no command /${name}; /help lists the commands`)
    return true
  }

  async #context(file: string): Promise<void> {
    if (file === '') {
      this.#documents.length = 0
      return this.#screen.note('answers use no text now')
    }
    const text = await readText(file)
    this.#documents.push({ title: basename(file), text: text.trim() })
    this.#screen.note(`answered from: ${this.#documents.map(({ title }) => title).join(', ')}`)
  }

  #compare(): void {
    if (this.#speakers.base === undefined)
      return this.#screen.note('there is nothing to compare: start with --adapter DIR')
    this.#compares = !this.#compares
    this.#screen.note(
      this.#compares ? 'base and tuned answer; the conversation continues from the tuned answer' : 'tuned answers',
    )
  }

  async #retry(signal: AbortSignal): Promise<void> {
    const last = this.#turns.findLastIndex(({ role }) => role === 'user')
    if (last < 0) return this.#screen.note('there is no question yet')
    this.#tries++
    if ((this.#options.temperature ?? 0) === 0)
      this.#screen.note(
        'at temperature 0 the answer is always the same; with --temperature 0.7, for example, it varies',
      )
    await this.#answer(this.#turns.slice(0, last + 1), signal)
  }

  async #save(file: string): Promise<void> {
    if (file === '') return this.#screen.note(`expected a file: ${help.save}`)
    await writeFileAtomic(file, `${JSON.stringify({ messages: this.messages })}\n`)
    this.#screen.note(`saved to ${file}`)
  }

  /** Answers the last of `turns`, which become the conversation once something was said. */
  async #answer(turns: ChatMessage[], signal: AbortSignal): Promise<void> {
    const { main, base } = this.#speakers
    const compares = this.#compares && base !== undefined
    if (compares) {
      this.#screen.speaker('base')
      await this.#speak(base, turns, signal)
      this.#screen.speaker('tuned')
    }
    const said = await this.#speak(main, turns, signal)
    this.#turns = [...turns, { role: 'assistant', content: said }]
  }

  /** @returns what was said, whole or up to where it was ended */
  async #speak(answerer: Answerer, turns: readonly ChatMessage[], signal: AbortSignal): Promise<string> {
    const options = { ...this.#options, seed: this.#options.seed + this.#tries, signal }
    const messages = [...this.#start, ...turns]
    const pieces: AsyncIterable<Piece> =
      this.#documents.length === 0
        ? answerer.chat(messages, options)
        : answerer.stream({ messages, documents: this.#documents }, options)
    let said = ''
    let whole: Answer | undefined
    try {
      for await (const { text, answer } of pieces) {
        this.#screen.say(text)
        said += text
        whole = answer
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
    this.#screen.end(whole?.finishReason !== 'stop', whole?.passages)
    return said.trim()
  }
}
