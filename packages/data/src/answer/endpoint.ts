// A model behind an OpenAI-compatible endpoint: asked with retries, within a budget, its key told to nobody else.

import type { ChatMessage } from '../rows/row-formats'
import type { Answer, AnswerOptions } from './answerer'

/** Where and how a model is asked over HTTP. */
export interface EndpointOptions {
  /** Of the server, its `/v1`, or its `/v1/chat/completions`. */
  url: string
  model: string
  /** Sent as a bearer token to this endpoint alone; replaced by `***` in every text that comes back. */
  apiKey?: string | undefined
  /** How often a request is sent again that may go better another time (default 6). */
  retries?: number
  /** Milliseconds that an answer may take (default 180,000). */
  timeoutMs?: number
  /** Requests at most, those sent again included. */
  maxRequests?: number | undefined
  /** Tokens at most, of prompts and answers, as the endpoint counts them. */
  maxTokens?: number | undefined
  /** Called with each wait before a request is sent again. */
  onRetry?: (why: string, waitMs: number) => void
  /** Waits; tests have no time. */
  wait?: (ms: number, signal?: AbortSignal) => Promise<void>
}

/** What an endpoint was asked so far. */
export interface EndpointUse {
  requests: number
  tokens: number
}

/** The endpoint cannot be used: it refuses what is asked, or never answers. */
export class EndpointError extends Error {
  override readonly name: string = 'EndpointError'
}

/** Requests or tokens are used up; what was answered so far is kept. */
export class BudgetError extends EndpointError {
  override readonly name = 'BudgetError'
}

/** Longer answers are nonsense, or made to fill the memory. */
const longestReply = 4 * 2 ** 20
const longestWaitMs = 120_000
/** Those that may go better another time. */
const isPassing = (status: number): boolean =>
  status === 408 || status === 409 || status === 425 || status === 429 || status >= 500

class Passing extends Error {
  constructor(
    message: string,
    readonly retryAfterMs?: number,
  ) {
    super(message)
  }
}

const sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const timer = setTimeout(resolve, ms)
    signal?.addEventListener('abort', () => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    })
  })

/** Asks a model over HTTP, one conversation at a time. Safe to call many times at once: a wait that the server asks for is kept by all. */
export class Endpoint {
  readonly #options: EndpointOptions
  readonly #url: URL
  readonly used: EndpointUse = { requests: 0, tokens: 0 }
  /** No request is sent before this moment. */
  #quietUntil = 0

  /** @throws EndpointError for a URL that is none */
  constructor(options: EndpointOptions) {
    this.#options = options
    this.#url = completionsUrl(options.url)
  }

  get model(): string {
    return this.#options.model
  }

  /** Where it is, without what a URL may carry of names and keys. */
  get place(): string {
    return this.#url.origin + this.#url.pathname
  }

  /**
   * Answers a conversation.
   *
   * @throws BudgetError before a request that the budget has no room for
   * @throws EndpointError when it is refused, or all retries fail
   */
  async ask({ messages }: { messages: readonly ChatMessage[] }, options: AnswerOptions = {}): Promise<Answer> {
    const { retries = 6, wait = sleep, onRetry } = this.#options
    for (let tries = 0; ; tries++) {
      const quiet = this.#quietUntil - Date.now()
      if (quiet > 0) await wait(quiet, options.signal)
      options.signal?.throwIfAborted()
      this.#checkBudget()
      try {
        return await this.#send(messages, options)
      } catch (error) {
        if (!(error instanceof Passing)) throw error
        if (tries >= retries) throw new EndpointError(`${this.place}: ${error.message}, after ${tries + 1} tries`)
        // A half to the whole of twice the time before, so that those who wait do not all come back at once.
        const own = Math.min(60_000, 500 * 2 ** tries) * (0.5 + Math.random() / 2)
        const ms = Math.min(longestWaitMs, error.retryAfterMs ?? own)
        if (error.retryAfterMs !== undefined) this.#quietUntil = Date.now() + ms
        onRetry?.(error.message, ms)
        await wait(ms, options.signal)
      }
    }
  }

  #checkBudget(): void {
    const { maxRequests = Infinity, maxTokens = Infinity } = this.#options
    const { requests, tokens } = this.used
    if (requests >= maxRequests) throw new BudgetError(`the ${maxRequests} requests of the budget are used up`)
    if (tokens >= maxTokens) throw new BudgetError(`the ${maxTokens} tokens of the budget are used up (${tokens})`)
  }

  async #send(
    messages: readonly ChatMessage[],
    { maxNewTokens, temperature, topP, seed, stop, signal }: AnswerOptions,
  ): Promise<Answer> {
    const { model, apiKey, timeoutMs = 180_000 } = this.#options
    this.used.requests++
    const timeout = AbortSignal.timeout(timeoutMs)
    let response: Response
    let text: string
    try {
      response = await fetch(this.#url, {
        method: 'POST',
        // A redirect would take the key along.
        redirect: 'error',
        headers: {
          'content-type': 'application/json',
          ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        body: JSON.stringify({ model, messages, max_tokens: maxNewTokens, temperature, top_p: topP, seed, stop }),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      })
      text = await textOf(response)
    } catch (error) {
      signal?.throwIfAborted()
      if (error instanceof EndpointError) throw error
      throw new Passing(
        timeout.aborted
          ? `no answer within ${timeoutMs / 1000} s`
          : `the connection broke: ${this.#clean(causeOf(error))}`,
      )
    }
    if (!response.ok) {
      const said = this.#clean(messageOf(text))
      const problem = `answers ${response.status}${said === '' ? '' : `: ${said}`}`
      if (isPassing(response.status)) throw new Passing(problem, retryAfter(response.headers.get('retry-after')))
      throw new EndpointError(`${this.place} ${problem}${hintOf(response.status, apiKey)}`)
    }
    const reply = readReply(text)
    if (reply === undefined) throw new Passing(`its answer is not a completion: ${this.#clean(text.slice(0, 120))}`)
    this.used.tokens += reply.tokens
    return {
      text: this.#clean(reply.text),
      ids: [],
      finishReason: reply.finishReason,
      promptTokens: reply.promptTokens,
    }
  }

  /** A text without the key, whoever put it there. */
  #clean(text: string): string {
    const { apiKey } = this.#options
    return apiKey === undefined || apiKey.length < 4 ? text : text.replaceAll(apiKey, '***')
  }
}

function completionsUrl(text: string): URL {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new EndpointError(`got ${JSON.stringify(text)} as a URL; expected one such as http://127.0.0.1:8000/v1`)
  }
  if (!/^https?:$/.test(url.protocol))
    throw new EndpointError(`got a URL of ${url.protocol}//; expected http:// or https://`)
  const path = url.pathname.replace(/\/+$/, '')
  url.pathname = path.endsWith('/chat/completions') ? path : `${path === '' ? '/v1' : path}/chat/completions`
  return url
}

async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  const reader = response.body?.getReader()
  let text = ''
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true as const, value: undefined }
    if (done) return text + decoder.decode()
    text += decoder.decode(value, { stream: true })
    if (text.length > longestReply) {
      await reader?.cancel()
      throw new EndpointError('its answer is longer than 4 MB')
    }
  }
}

const causeOf = (error: unknown): string => {
  const { message, cause } = error as Error
  return cause instanceof Error && cause.message !== '' ? cause.message : message
}

/** What an error of the API says, in one line. */
function messageOf(text: string): string {
  let said = text
  try {
    const { error, message } = JSON.parse(text) as { error?: { message?: unknown } | string; message?: unknown }
    const found = typeof error === 'string' ? error : (error?.message ?? message)
    if (typeof found === 'string') said = found
  } catch {
    // A page of a proxy, say.
  }
  return said
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 200)
}

const hintOf = (status: number, apiKey: string | undefined): string =>
  status === 401 || status === 403 ? (apiKey === undefined ? '; no key was sent' : '; is the key right?') : ''

/** `Retry-After` in seconds, or as a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null) return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000)
  const at = Date.parse(header)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}

interface Reply {
  text: string
  finishReason: 'stop' | 'length'
  promptTokens: number
  tokens: number
}

function readReply(text: string): Reply | undefined {
  try {
    const body = JSON.parse(text) as {
      choices?: { message?: { content?: unknown }; finish_reason?: unknown }[]
      usage?: { prompt_tokens?: unknown; total_tokens?: unknown }
    }
    const [choice] = body.choices ?? []
    const content = choice?.message?.content
    if (typeof content !== 'string') return undefined
    const [promptTokens, tokens] = [Number(body.usage?.prompt_tokens) || 0, Number(body.usage?.total_tokens) || 0]
    return { text: content, finishReason: choice?.finish_reason === 'length' ? 'length' : 'stop', promptTokens, tokens }
  } catch {
    return undefined
  }
}
