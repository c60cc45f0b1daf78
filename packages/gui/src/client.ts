// @jora/gui/client: the API as functions, in a page or in Node.
import type {
  ChangeEvent,
  ChatEvent,
  ChatRequest,
  Comparison,
  CreateRun,
  Devices,
  Estimate,
  ExportRequest,
  Files,
  HubModel,
  Inspection,
  Job,
  LogPiece,
  MeshPicture,
  MetricsColumns,
  ModelInfo,
  Preview,
  PushRequest,
  Run,
  RunDetail,
  RunEvent,
  RunFile,
  RunSettings,
  Session,
  Upload,
} from './api'
import { Http, withQuery, type ClientOptions } from './client/http'
import { linesOf } from './client/lines'
import { openStream, type Stream, type StreamOptions } from './client/stream'

export { ApiError, type ClientOptions } from './client/http'
export type { Stream, StreamOptions, StreamStatus } from './client/stream'
export type * from './api'

const encode = encodeURIComponent
const runPath = (id: string): string => `/api/runs/${encode(id)}`

/** Every function throws an `ApiError` when it is refused or fails. */
export class JoraClient {
  readonly #http: Http

  constructor(options: ClientOptions = {}) {
    this.#http = new Http(options)
  }

  session = (): Promise<Session> => this.#http.json('GET', '/api/session')

  models = async (): Promise<ModelInfo[]> =>
    (await this.#http.json<{ models: ModelInfo[] }>('GET', '/api/models')).models
  /** `ref`: absolute path of a folder, or a Hub id that is in the cache. */
  model = (ref: string): Promise<ModelInfo> => this.#http.json('GET', withQuery('/api/model', { model: ref }))
  searchHub = async (query: string, signal?: AbortSignal): Promise<HubModel[]> =>
    (await this.#http.json<{ models: HubModel[] }>('GET', withQuery('/api/hub/search', { query }), undefined, signal))
      .models
  downloadModel = (id: string): Promise<Job> => this.#http.json('POST', '/api/hub/download', { id })
  devices = (): Promise<Devices> => this.#http.json('GET', '/api/devices')
  mesh = (model: string, mesh: string): Promise<MeshPicture> => this.#http.json('POST', '/api/mesh', { model, mesh })
  estimate = (settings: RunSettings, signal?: AbortSignal): Promise<Estimate> =>
    this.#http.json('POST', '/api/estimate', { settings }, signal)

  /** Without a path: the roots. */
  files = (path?: string): Promise<Files> => this.#http.json('GET', withQuery('/api/files', { path }))
  inspect = (dataset: string, rows?: number, signal?: AbortSignal): Promise<Inspection> =>
    this.#http.json('POST', '/api/datasets/inspect', { dataset, rows }, signal)
  preview = (settings: RunSettings, index?: number, signal?: AbortSignal): Promise<Preview> =>
    this.#http.json('POST', '/api/datasets/preview', { settings, index }, signal)
  /** In a page `body` is a File. */
  async upload(name: string, body: Blob, signal?: AbortSignal): Promise<Upload> {
    const response = await this.#http.send('POST', withQuery('/api/datasets', { name }), {
      body,
      headers: { 'content-type': 'application/octet-stream' },
      ...(signal && { signal }),
    })
    return (await response.json()) as Upload
  }

  runs = async (): Promise<Run[]> => (await this.#http.json<{ runs: Run[] }>('GET', '/api/runs')).runs
  run = (id: string): Promise<RunDetail> => this.#http.json('GET', runPath(id))
  createRun = (run: CreateRun): Promise<Run> => this.#http.json('POST', '/api/runs', run)
  pause = (id: string): Promise<Run> => this.#http.json('POST', `${runPath(id)}/pause`)
  resume = (id: string): Promise<Run> => this.#http.json('POST', `${runPath(id)}/resume`)
  stop = (id: string): Promise<Run> => this.#http.json('POST', `${runPath(id)}/stop`)
  /** Takes a run out of the queue; its last state. */
  remove = (id: string): Promise<Run> => this.#http.json('DELETE', runPath(id))
  /** All there is from line `from` on; its `next` is the `from` of `followRun`. */
  metrics = (id: string, from?: number): Promise<MetricsColumns> =>
    this.#http.json('GET', withQuery(`${runPath(id)}/metrics`, { from }))
  /** Without `from` the last 64 KB. */
  log = (id: string, from?: number): Promise<LogPiece> =>
    this.#http.json('GET', withQuery(`${runPath(id)}/log`, { from }))
  compare = (ids: readonly string[]): Promise<Comparison> =>
    this.#http.json('GET', withQuery('/api/compare', { ids: ids.join(',') }))

  runFiles = async (id: string): Promise<RunFile[]> =>
    (await this.#http.json<{ files: RunFile[] }>('GET', `${runPath(id)}/files`)).files
  /** Addresses for links: of one file, and of a zip with the adapter or a folder of the run. */
  runFileUrl = (id: string, path: string): string =>
    this.#http.url(`${runPath(id)}/files/${path.split('/').map(encode).join('/')}`)
  downloadUrl = (id: string, path?: string): string => this.#http.url(withQuery(`${runPath(id)}/download`, { path }))

  exportRun = (id: string, request: ExportRequest): Promise<Job> =>
    this.#http.json('POST', `${runPath(id)}/export`, request)
  push = (id: string, request: PushRequest): Promise<Job> => this.#http.json('POST', `${runPath(id)}/push`, request)
  jobs = async (): Promise<Job[]> => (await this.#http.json<{ jobs: Job[] }>('GET', '/api/jobs')).jobs
  job = (id: string): Promise<Job> => this.#http.json('GET', `/api/jobs/${encode(id)}`)
  cancelJob = (id: string): Promise<Job> => this.#http.json('DELETE', `/api/jobs/${encode(id)}`)

  /** What changes of any run or job, for as long as the stream is open. It begins with all there is, each time. */
  follow = (options: Omit<StreamOptions<ChangeEvent>, 'from'>): Stream =>
    openStream<ChangeEvent>(this.#http, '/api/events', options)
  /** What one run tells: every line of its metrics, from `from` on if it is given, and its state. */
  followRun = (id: string, options: StreamOptions<RunEvent>): Stream =>
    openStream<RunEvent>(this.#http, `${runPath(id)}/events`, options)

  /** Events of one answer. Leaving the loop, or aborting, ends the generation. */
  async *chat(request: ChatRequest, signal?: AbortSignal): AsyncGenerator<ChatEvent, void> {
    const response = await this.#http.send('POST', '/api/chat', {
      body: JSON.stringify(request),
      headers: { 'content-type': 'application/json' },
      ...(signal && { signal }),
    })
    for await (const line of linesOf(response.body!)) if (line !== '') yield JSON.parse(line) as ChatEvent
  }
}
