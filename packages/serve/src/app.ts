// The server's requests: past the guard and the key, to a route of OpenAI's API.
import { createHash, timingSafeEqual } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { Hono, type Context } from 'hono'
import type { Ask } from '@jora/data'
import { Admission } from './admission'
import { readJson } from './body'
import { complete, completeInChunks, forms, optionsOf, type Job } from './completions'
import { embeddings } from './embeddings'
import { asServeError, ServeError } from './error'
import { checkRequest, isLoopback, ownNames } from './guard'
import { Metrics } from './metrics'
import { Models, type ServedModel } from './models'
import { openApi } from './openapi'
import { chatSchema, completionSchema, embeddingSchema, type ChatRequest, type CompletionRequest } from './schemas'
import { eventStream } from './sse'
import { chatMessage } from './tools'

/** What {@link createServe} serves, to whom, and within which limits. */
export interface ServeOptions {
  /** The first answers requests that name no model. */
  readonly models: readonly ServedModel[]
  /** The address that the server listens on (default 127.0.0.1). Requests to other host names are refused. */
  readonly host?: string
  /** The key that requests send as `Authorization: Bearer …`; required when other machines can reach `host`. */
  readonly apiKey?: string | undefined
  /** Most requests that are answered or wait at one time (default 64); further ones get status 429. */
  readonly mostRequests?: number
  /** Most tokens of an answer where the request sets no limit (default 512). */
  readonly maxNewTokens?: number
  /** Most bytes of a request's body (default 10 MB); a longer one gets status 413. */
  readonly bodyLimitBytes?: number
  /** Programs that were compiled for the models, and how many of them are kept, for `/metrics`; absent where nobody counts them. */
  readonly programs?: () => { readonly kept: number; readonly compiled: number }
  /** Called once each request is answered, with figures alone: never a text of it. */
  readonly onRequest?: (record: RequestRecord) => void
}

/** One request, for a log. */
export interface RequestRecord {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly seconds: number
  /** Name of the model that answered; this and the counts are absent for requests that reached no model. */
  readonly model?: string
  /** Tokens of the prompt, counted again for each of its answers. */
  readonly promptTokens?: number
  /** Tokens generated, those of all `n` answers together. */
  readonly completionTokens?: number
  /** The message, for a request that failed. */
  readonly error?: string
}

/** What {@link RequestRecord} will report of a request that reached a model. */
interface Counted {
  readonly model: string
  promptTokens: number
  completionTokens: number
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

/**
 * The server as a fetch handler (`app.fetch`), for {@link listen} or any other host.
 *
 * @throws RangeError for no models, two of one name, or a host that others reach without an `apiKey`
 */
export function createServe(options: ServeOptions): { readonly fetch: (request: Request) => Promise<Response> } {
  const { host = '127.0.0.1', apiKey, maxNewTokens = 512, bodyLimitBytes = 10e6, onRequest = () => {} } = options
  if (!isLoopback(host) && !apiKey)
    throw new RangeError(`others can reach ${host}: give a key for them to bring, or listen on 127.0.0.1`)
  const models = new Models(options.models)
  const admission = new Admission(options.mostRequests ?? 64)
  const metrics = new Metrics()
  const names = ownNames(host)
  const app = new Hono()

  app.use(async (c, next) => {
    const [origin, site] = [c.req.header('origin'), c.req.header('sec-fetch-site')]
    const refusal = checkRequest(names, { host: c.req.header('host'), origin, site })
    if (refusal === 'host') throw new ServeError(403, 'this server has another name: ask the address that it printed')
    if (refusal === 'origin') throw new ServeError(403, 'pages of other servers may not ask this one')
    await next()
    c.res.headers.set('x-content-type-options', 'nosniff')
  })
  app.get('/openapi.json', (c) => c.json(openApi()))
  app.get('/health', (c) => c.json({ status: 'ok' }))
  app.use(async (c, next) => {
    if (apiKey === undefined) return next()
    const given = /^Bearer (.+)$/i.exec(c.req.header('authorization') ?? '')?.[1] ?? ''
    if (!timingSafeEqual(sha256(given), sha256(apiKey)))
      throw new ServeError(401, 'the key is missing or wrong: send it as Authorization: Bearer …', {
        code: 'invalid_api_key',
      })
    return next()
  })
  app.get('/metrics', (c) => {
    metrics.set('jora_requests_in_work', admission.count)
    const programs = options.programs?.()
    if (programs) {
      metrics.set('jora_programs', programs.kept)
      metrics.set('jora_programs_compiled_total', programs.compiled)
    }
    return c.text(metrics.text(), 200, { 'content-type': 'text/plain; version=0.0.4' })
  })
  app.get('/v1/models', (c) => c.json({ object: 'list', data: models.names.map((name) => models.describe(name)) }))
  // Names of models may hold slashes, as Hub ids do.
  app.get('/v1/models/:name{.+}', (c) => c.json(models.describe(c.req.param('name'))))

  /**
   * Answers a request in a place that it leaves when all is sent or its reader has left.
   *
   * @param run gives the whole answer, or its chunks, and counts what is computed for it
   */
  async function inPlace(
    c: Context,
    name: string | null | undefined,
    run: (model: ServedModel, counted: Counted, signal: AbortSignal) => Promise<object> | AsyncGenerator<object, void>,
  ): Promise<Response> {
    const started = performance.now()
    const leave = admission.enter()
    const gone = new AbortController()
    // Each answer of a request listens to it.
    setMaxListeners(0, gone.signal)
    const { signal } = c.req.raw
    const onGone = () => gone.abort(new Error('the client has gone'))
    signal.addEventListener('abort', onGone, { once: true })
    if (signal.aborted) onGone()
    let counted: Counted | undefined
    const finish = (error?: unknown) => {
      signal.removeEventListener('abort', onGone)
      if (error !== undefined) gone.abort(error)
      leave()
      tell(c, started, error, counted)
    }
    let chunks: AsyncGenerator<object, void>
    try {
      const model = models.get(name ?? undefined)
      counted = { model: model.name, promptTokens: 0, completionTokens: 0 }
      const made = run(model, counted, gone.signal)
      if (made instanceof Promise) {
        const response = c.json(await made)
        finish()
        return response
      }
      chunks = made
    } catch (error) {
      finish(error)
      throw error
    }
    return await eventStream(chunks, finish)
  }

  const answer = (c: Context, request: ChatRequest | CompletionRequest, asks: readonly Ask[]): Promise<Response> =>
    inPlace(c, request.model, ({ name, answerer }, counted, signal) => {
      const job: Job = {
        form: 'messages' in request ? forms.chat : forms.text,
        model: name,
        answerer,
        asks,
        n: request.n ?? 1,
        options: optionsOf(request, { maxNewTokens, signal }),
        oneCall: 'messages' in request && request.parallel_tool_calls === false,
        onAnswer({ promptTokens, ids }) {
          counted.promptTokens += promptTokens
          counted.completionTokens += ids.length
        },
      }
      if (request.stream !== true) return complete(job)
      return completeInChunks(job, request.stream_options?.include_usage === true)
    })

  function tell(c: Context, started: number, error: unknown, counted?: Counted): void {
    const seconds = (performance.now() - started) / 1000
    const status = error === undefined ? 200 : c.req.raw.signal.aborted ? 499 : asServeError(error).status
    const { path } = c.req
    metrics.add('jora_requests_total', { path, status: String(status) })
    metrics.add('jora_request_seconds_total', { path }, seconds)
    if (counted) {
      metrics.add('jora_tokens_total', { model: counted.model, kind: 'prompt' }, counted.promptTokens)
      metrics.add('jora_tokens_total', { model: counted.model, kind: 'completion' }, counted.completionTokens)
    }
    const said = error === undefined ? {} : { error: (error as Error).message }
    onRequest({ method: c.req.method, path, status, seconds, ...counted, ...said })
  }

  app.post('/v1/chat/completions', async (c) => {
    const request = await readJson(c, chatSchema, bodyLimitBytes)
    const { documents } = request
    const messages = request.messages.map(chatMessage)
    const about = documents?.map(({ title, text }) => (title === undefined ? { text } : { title, text })) ?? []
    const tools = request.tool_choice === 'none' ? [] : (request.tools ?? [])
    const ask = { messages, ...(about.length > 0 && { documents: about }), ...(tools.length > 0 && { tools }) }
    return answer(c, request, [ask])
  })
  app.post('/v1/embeddings', async (c) => {
    const request = await readJson(c, embeddingSchema, bodyLimitBytes)
    return inPlace(c, request.model, async (model, counted, signal) => {
      const { body, tokens } = await embeddings(model, request, signal)
      counted.promptTokens += tokens
      return body
    })
  })
  app.post('/v1/completions', async (c) => {
    const request = await readJson(c, completionSchema, bodyLimitBytes)
    return answer(
      c,
      request,
      [request.prompt].flat().map((prompt) => ({ prompt })),
    )
  })
  app.notFound((c) => new ServeError(404, `there is no ${c.req.method} ${c.req.path} here`).toResponse())
  app.onError((error, c) => {
    if (c.req.raw.signal.aborted) return new Response(null, { status: 499 })
    return asServeError(error).toResponse()
  })
  return { fetch: async (request) => app.fetch(request) }
}
