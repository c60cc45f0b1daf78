// A server with the API's shape and nothing behind it: fixtures for answers, and streams that a test can feed.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { readFile } from 'node:fs/promises'
import type { AddressInfo, Socket } from 'node:net'
import { extname, join, normalize } from 'node:path'
import {
  chatSchema,
  createRunSchema,
  estimateRequestSchema,
  evalSchema,
  inspectRequestSchema,
  learnStageSchema,
  reviewSchema,
  runLabelSchema,
  type ChatRequest,
  type CreateRun,
  type Job,
  type LearnStageRequest,
  type Run,
  type RunEvent,
} from '@jora/gui/api'
import * as fixtures from './fixtures'

/** What the real server sends; the page has to live with it. */
const policy =
  "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

type Message = { readonly event: string } & Readonly<Record<string, unknown>>

export interface FakeServer {
  readonly url: string
  readonly runs: () => readonly Run[]
  /** Changes a run and tells everyone. */
  readonly change: (id: string, over: Partial<Run>) => Run
  /** Sends an event to those who follow a run. */
  readonly tell: (id: string, event: RunEvent, eventId?: string) => void
  /** Ends all connections and refuses new ones, until called with false. */
  readonly vanish: (gone: boolean) => void
  readonly close: () => Promise<void>
}

/** Serves the built page in `folder` and the API. */
export async function startFakeServer(folder: string): Promise<FakeServer> {
  let runs: readonly Run[] = fixtures.startRuns
  let jobs: readonly Job[] = [fixtures.job('export-1', {})]
  let gone = false
  let count = 0
  const sockets = new Set<Socket>()
  const all = new Set<ServerResponse>()
  const followers = new Map<string, Set<ServerResponse>>()

  const find = (id: string): Run | undefined => runs.find((run) => run.id === id)
  const send = (response: ServerResponse, { event, ...data }: Message, id?: string) =>
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n${id === undefined ? '' : `id: ${id}\n`}\n`)
  const tellRun = (run: Run) => {
    for (const response of all) send(response, { event: 'run', run })
    for (const response of followers.get(run.id) ?? []) send(response, { event: 'run', run })
  }
  const change = (id: string, over: Partial<Run>): Run => {
    const changed = { ...find(id)!, ...over }
    runs = runs.map((run) => (run.id === id ? changed : run))
    tellRun(changed)
    return changed
  }
  const setJob = (job: Job): Job => {
    jobs = [...jobs.filter(({ id }) => id !== job.id), job]
    for (const response of all) send(response, { event: 'job', job })
    return job
  }
  /** A job that is done a moment later. */
  const startJob = (over: Partial<Job>, result: Job['result']): Job => {
    const id = `job-${++count}`
    const running = fixtures.job(id, {
      ...over,
      state: 'running',
      result: null,
      endedAt: null,
      progress: { done: 40_000_000, total: 100_000_000, text: 'model.safetensors' },
    })
    setTimeout(() => setJob({ ...running, state: 'done', result, progress: null }), 300)
    return setJob(running)
  }

  const stream = (response: ServerResponse, group: Set<ServerResponse>) => {
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    group.add(response)
    response.on('close', () => group.delete(response))
  }

  async function answer(request: IncomingMessage, response: ServerResponse, url: URL): Promise<unknown> {
    const { method = 'GET' } = request
    const [, , first, second, third] = url.pathname.split('/').map(decodeURIComponent)
    const body = async () => JSON.parse(await textOf(request)) as Record<string, unknown>
    switch (`${method} ${first}${second === undefined ? '' : '/…'}${third === undefined ? '' : `/${third}`}`) {
      case 'GET session':
        return fixtures.session
      case 'GET events':
        stream(response, all)
        send(response, { event: 'all', runs, jobs })
        return undefined
      case 'GET models':
        return { models: fixtures.models }
      case 'GET model':
        return fixtures.models.find(({ ref }) => ref === url.searchParams.get('model')) ?? fixtures.models[1]
      case 'GET hub/…':
        return { models: fixtures.hubModels }
      case 'POST hub/…': {
        const { id } = await body()
        return startJob({ kind: 'download', title: String(id), runId: null }, { ref: fixtures.models[2]!.ref })
      }
      case 'GET devices':
        return fixtures.devices
      case 'POST estimate':
        return fixtures.estimate(estimateRequestSchema.parse(await body()).settings)
      case 'GET files':
        return fixtures.files(url.searchParams.get('path'))
      case 'POST datasets':
        await textOf(request)
        return {
          path: `${fixtures.root}/${url.searchParams.get('name')}`,
          name: url.searchParams.get('name'),
          bytes: 10,
        }
      case 'POST datasets/…': {
        if (second !== 'inspect') return fixtures.preview(Number((await body()).index ?? 0))
        const { dataset, columns } = inspectRequestSchema.parse(await body())
        return fixtures.inspection(dataset, columns)
      }
      case 'GET runs':
        return { runs }
      case 'POST runs': {
        const wanted = createRunSchema.parse(await body())
        created.push(wanted)
        const id = `new-${++count}`
        const run: Run = {
          ...fixtures.startRuns[0]!,
          id,
          name: wanted.name ?? (wanted.kind === 'quickstart' ? 'quickstart 2' : 'new run'),
          kind: wanted.kind,
          createdAt: new Date().toISOString(),
          startedAt: new Date().toISOString(),
          step: 0,
          loss: null,
          evalLoss: null,
          hasAdapter: false,
          hasCheckpoint: false,
        }
        runs = [run, ...runs]
        tellRun(run)
        return run
      }
      case 'GET compare':
        return fixtures.comparisonOf((url.searchParams.get('ids') ?? '').split(',').flatMap((id) => find(id) ?? []))
      case 'POST documents':
        await textOf(request)
        return readDocument(url.searchParams.get('name') ?? '', response)
      case 'POST chat': {
        const asked = chatSchema.parse(await body())
        asks.push(asked)
        return chat(response, asked)
      }
    }
    if (first === 'learn') return learnAnswer(`${method} ${third ?? ''}`, second, { request, response, url, startJob })
    const run = first === 'runs' ? find(second ?? '') : undefined
    if (run === undefined) return fail(response, 404, 'not_found', `There is no ${url.pathname}.`)
    switch (`${method} ${third ?? ''}`) {
      case 'GET ':
        return fixtures.detailOf(run)
      case 'GET metrics':
        return fixtures.metrics[run.id] ?? fixtures.metricsOf(0)
      case 'GET log':
        return logOf(url)
      case 'GET events': {
        const group = followers.get(run.id) ?? new Set()
        followers.set(run.id, group)
        stream(response, group)
        send(response, { event: 'run', run })
        return undefined
      }
      case 'POST stop':
        return change(run.id, { state: 'stopped', actions: ['resume'], etaSeconds: null })
      case 'PATCH ': {
        const { name, note } = runLabelSchema.parse(await body())
        return change(run.id, { ...(name !== undefined && { name }), note: note ?? null })
      }
      case 'DELETE files':
        runs = runs.filter(({ id }) => id !== run.id)
        for (const each of all) send(each, { event: 'removed', id: run.id })
        return run
      case 'POST pause':
        return change(run.id, { state: 'paused', actions: ['resume', 'stop'] })
      case 'POST resume':
        return change(run.id, { state: 'running', actions: ['pause', 'stop'] })
      case 'POST export':
        return startJob({ title: 'GGUF q4_0', runId: run.id }, { file: 'exports/model-q4_0.gguf' })
      case 'POST eval': {
        const { dataset } = evalSchema.parse(await body())
        const scores = { exactMatch: 0.56, f1: 0.71, loss: 0.62, file: 'evaluations/20261129.jsonl' }
        return startJob({ kind: 'eval', title: `quickstart on ${dataset}`, runId: run.id }, scores)
      }
      case 'POST push':
        return fail(response, 400, 'failed', 'The Hub refused the token (401). Check that it may write.')
      case 'GET download':
        response.writeHead(200, { 'content-type': 'application/zip' }).end('PK')
        return undefined
    }
    return fail(response, 404, 'not_found', `There is no ${method} ${url.pathname}.`)
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://page')
    if (!url.pathname.startsWith('/api/')) return void page(folder, url.pathname, response)
    answer(request, response, url).then(
      (json) => {
        if (json === undefined || response.headersSent) return
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(json))
      },
      (error: unknown) => fail(response, 400, 'bad_request', String(error)),
    )
  })
  server.on('connection', (socket) => {
    if (gone) return socket.destroy()
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    runs: () => runs,
    change,
    tell(id, event, eventId) {
      for (const response of followers.get(id) ?? []) send(response, event as Message, eventId)
    },
    vanish(now) {
      gone = now
      if (now) for (const socket of sockets) socket.destroy()
    },
    close: () =>
      new Promise((closed) => {
        for (const socket of sockets) socket.destroy()
        server.close(() => closed())
      }),
  }
}

/** Projects: two that there are, whose stages are done a moment later. */
async function learnAnswer(
  what: string,
  id: string | undefined,
  {
    request,
    response,
    url,
    startJob,
  }: {
    readonly request: IncomingMessage
    readonly response: ServerResponse
    readonly url: URL
    readonly startJob: (over: Partial<Job>, result: Job['result']) => Job
  },
): Promise<unknown> {
  const { project, small, begun, questions, review, contexts, answers } = fixtures.learn
  const found = [project, small, begun].find((each) => each.id === id)
  switch (what) {
    case 'GET ':
      return id === undefined ? { projects: [project, begun] } : found
    case 'POST ':
      await textOf(request)
      return begun
    case 'POST documents':
      await textOf(request)
      sent.push(url.searchParams.get('path') ?? '')
      return { bytes: 10 }
    case 'POST stages': {
      const wanted = learnStageSchema.parse(JSON.parse(await textOf(request)))
      stages.push(wanted)
      const { until } = wanted
      return startJob({ kind: 'learn', title: `Until ${until}`, runId: null, projectId: id ?? null }, {})
    }
    case 'GET questions':
      return { reviewable: true, questions: id === small.id ? questions.slice(0, 12) : questions }
    case 'POST questions': {
      const { drafts } = reviewSchema.parse(JSON.parse(await textOf(request)))
      const byId = new Map(drafts.map((draft) => [draft.id, draft]))
      review((question) => {
        const change = byId.get(question.id)
        if (!change) return question
        const { decision = question.decision, question: asked = question.question, answer = question.answer } = change
        return { ...question, decision, question: asked, answer, by: 'reviewer' }
      })
      return { reviewable: true, questions: fixtures.learn.questions }
    }
    case 'GET contexts': {
      const from = Number(url.searchParams.get('from') ?? 0)
      const count = Number(url.searchParams.get('count') ?? 200)
      return { total: contexts.length, contexts: contexts.slice(from, from + count) }
    }
    case 'GET answers':
      return { answers: id === small.id ? answers.slice(0, 6) : answers }
  }
  return fail(response, 404, 'not_found', `There is no ${what} of a project.`)
}

/** Questions of the playground. */
export const asks: ChatRequest[] = []

/** Requests for stages of projects. */
export const stages: LearnStageRequest[] = []

/** Requests for runs. */
export const created: CreateRun[] = []

/** Paths of documents that were sent. */
export const sent: string[] = []

/** A file of the build; for every other path the page itself. */
async function page(folder: string, path: string, response: ServerResponse): Promise<void> {
  const headers = { 'content-security-policy': policy, 'x-content-type-options': 'nosniff' }
  const name = extname(path) === '' ? 'index.html' : normalize(path)
  try {
    const bytes = await readFile(join(folder, name))
    response
      .writeHead(200, { ...headers, 'content-type': types[extname(name)] ?? 'application/octet-stream' })
      .end(bytes)
  } catch {
    response.writeHead(404, headers).end()
  }
}

function fail(response: ServerResponse, status: number, code: string, message: string): undefined {
  if (!response.headersSent)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { code, message } }))
}

async function textOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of request) text += String(piece)
  return text
}

function logOf(url: URL): unknown {
  const text = [
    'JORA train · tiny-llama, 1.0M parameters · adapter 315k · AMD Ryzen 7 7840U, 2 threads',
    'context trees: 278k → 82k tokens (3.4× fewer)',
    'eval   step 71  held-out loss 0.3587  perplexity 1.43',
    'eval   step 142  held-out loss 0.1505  perplexity 1.16',
    `saved  step 200  checkpoints/step-00000200 ${fixtures.script}`,
    '',
  ].join('\n')
  const from = Number(url.searchParams.get('from') ?? 0)
  return { from, next: text.length, bytes: text.length, text: text.slice(from) }
}

/** A file as documents: `long.pdf` is longer than what is taken, `scan.pdf` has no text. */
function readDocument(name: string, response: ServerResponse): unknown {
  if (name.startsWith('scan'))
    return fail(response, 400, 'bad_request', `${name}: is scanned: its 3 pages are pictures`)
  const text = `# Rules\n\nShips of ${name} may lie here from sunset on.`
  const characters = name.startsWith('long') ? 3_100_000 : text.length
  return { documents: [{ title: null, text, characters }], total: 1, skipped: [] }
}

/** Two answers, word by word. */
async function chat(response: ServerResponse, { documents = [], sides = ['base', 'tuned'], ...asked }: ChatRequest) {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  const line = (event: object) => response.write(`${JSON.stringify(event)}\n`)
  if (documents.length > 0)
    line({
      type: 'context',
      documents: documents.map((_, index) => ({
        index,
        ...(!asked.asGiven && { score: 4.2 / (index + 1), text: `Passage ${index + 1}: ships may lie here.` }),
      })),
    })
  line({ type: 'prompt', text: '### Context:\n…\n### Response:\n', tokens: 118 })
  const answers = { base: ' "Portuguese."', tuned: ' Peru is in South America.' }
  for (const side of sides) {
    for (const text of answers[side].match(/\s*\S+/g) ?? []) {
      line({ type: 'token', side, text })
      await new Promise((resolve) => setTimeout(resolve, 15))
    }
    const right = asked.expected?.includes(answers[side].trim()) ?? false
    const score = asked.expected === undefined ? {} : { score: { right, f1: right ? 1 : 0.25 } }
    line({ type: 'done', side, finishReason: 'stop', tokens: 7, seconds: 0.4, ...score })
  }
  response.end()
  return undefined
}
