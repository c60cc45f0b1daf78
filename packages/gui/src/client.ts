// @jora/gui/client: the API as functions, in a page or in Node.
import type {
  ChangeEvent,
  ChatEvent,
  ChatRequest,
  Comparison,
  CreateRun,
  Devices,
  Estimate,
  EvalRequest,
  ExportRequest,
  Files,
  HubModel,
  Inspection,
  Job,
  CreateLearn,
  LearnAnswer,
  LearnContexts,
  LearnProject,
  LearnQuestions,
  LearnStageRequest,
  LogPiece,
  MeshPicture,
  MetricsColumns,
  ModelInfo,
  Preview,
  Review,
  PushRequest,
  ReadDocuments,
  Run,
  RunDetail,
  RunEvent,
  RunFile,
  RunLabel,
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
const learnPath = (id: string): string => `/api/learn/${encode(id)}`
const runPath = (id: string): string => `/api/runs/${encode(id)}`

/**
 * The API as functions, for a page or for Node. Every one of them throws an {@link ApiError} when it is refused or
 * fails, or the signal's reason when aborted.
 */
export class JoraClient {
  readonly #http: Http

  constructor(options: ClientOptions = {}) {
    this.#http = new Http(options)
  }

  /** What the page must know before it shows anything. */
  session = (): Promise<Session> => this.#http.json('GET', '/api/session')

  /** Models in the roots, in the Hub's cache, and the bundled one. */
  models = async (): Promise<ModelInfo[]> =>
    (await this.#http.json<{ models: ModelInfo[] }>('GET', '/api/models')).models
  /**
   * One model.
   * @param ref absolute path of its folder, or a Hub id that is in the cache
   */
  model = (ref: string): Promise<ModelInfo> => this.#http.json('GET', withQuery('/api/model', { model: ref }))
  /** Models of the Hub that fit `query`. */
  searchHub = async (query: string, signal?: AbortSignal): Promise<HubModel[]> =>
    (await this.#http.json<{ models: HubModel[] }>('GET', withQuery('/api/hub/search', { query }), undefined, signal))
      .models
  /**
   * Starts a download from the Hub into its cache.
   * @param id the model's Hub id
   */
  downloadModel = (id: string): Promise<Job> => this.#http.json('POST', '/api/hub/download', { id })
  /** Devices that can train. */
  devices = (): Promise<Devices> => this.#http.json('GET', '/api/devices')
  /**
   * Which part of each weight the devices of a mesh hold.
   * @param model as `model()` takes it
   * @param mesh devices along each axis, as `data=2,model=4`
   */
  mesh = (model: string, mesh: string): Promise<MeshPicture> => this.#http.json('POST', '/api/mesh', { model, mesh })
  /** Memory and time that a run with these settings takes. */
  estimate = (settings: RunSettings, signal?: AbortSignal): Promise<Estimate> =>
    this.#http.json('POST', '/api/estimate', { settings }, signal)

  /** The entries of a folder under one of the roots; without a path, the roots. */
  files = (path?: string): Promise<Files> => this.#http.json('GET', withQuery('/api/files', { path }))
  /**
   * The format of a dataset file, its first rows, and the rows that cannot be used.
   * @param dataset absolute path of the file
   * @param rows how many of the first rows to return
   * @param columns which columns hold question, answer and context, where they are called otherwise
   */
  inspect = (dataset: string, rows?: number, signal?: AbortSignal, columns?: string): Promise<Inspection> =>
    this.#http.json('POST', '/api/datasets/inspect', { dataset, rows, columns }, signal)
  /**
   * A sample as the model is trained on it, and statistics of the whole file.
   * @param index which sample, from 0 (default 0)
   */
  preview = (settings: RunSettings, index?: number, signal?: AbortSignal): Promise<Preview> =>
    this.#http.json('POST', '/api/datasets/preview', { settings, index }, signal)
  /**
   * Uploads a dataset.
   * @param name the file's name
   * @param body its content; in a page, a File
   * @returns where the file is on the server
   */
  async upload(name: string, body: Blob, signal?: AbortSignal): Promise<Upload> {
    const response = await this.#http.send('POST', withQuery('/api/datasets', { name }), {
      body,
      headers: { 'content-type': 'application/octet-stream' },
      ...(signal && { signal }),
    })
    return (await response.json()) as Upload
  }

  /** The runs under the roots. */
  runs = async (): Promise<Run[]> => (await this.#http.json<{ runs: Run[] }>('GET', '/api/runs')).runs
  /** A run with its settings and its record. */
  run = (id: string): Promise<RunDetail> => this.#http.json('GET', runPath(id))
  /** Puts a new run into the queue. */
  createRun = (run: CreateRun): Promise<Run> => this.#http.json('POST', '/api/runs', run)
  /** Stops a running run after its step, with a checkpoint, to be resumed later. */
  pause = (id: string): Promise<Run> => this.#http.json('POST', `${runPath(id)}/pause`)
  /** Puts a run that is paused, stopped or failed back into the queue, to go on from its newest checkpoint. */
  resume = (id: string): Promise<Run> => this.#http.json('POST', `${runPath(id)}/resume`)
  /** Ends a run after its step, with a checkpoint. */
  stop = (id: string): Promise<Run> => this.#http.json('POST', `${runPath(id)}/stop`)
  /**
   * Takes a run out of the queue.
   * @returns its last state
   */
  remove = (id: string): Promise<Run> => this.#http.json('DELETE', runPath(id))
  /** Names a run, or notes something of it; what is absent stays. */
  label = (id: string, label: RunLabel): Promise<Run> => this.#http.json('PATCH', runPath(id), label)
  /**
   * Deletes a run with all its files.
   * @returns its last state
   */
  deleteRun = (id: string): Promise<Run> => this.#http.json('DELETE', `${runPath(id)}/files`)
  /**
   * A run's metrics as columns.
   * @param from the line to begin at, from 0; `next` of the answer is the `from` of {@link followRun}
   */
  metrics = (id: string, from?: number): Promise<MetricsColumns> =>
    this.#http.json('GET', withQuery(`${runPath(id)}/metrics`, { from }))
  /**
   * A run's log.
   * @param from the byte to begin at; absent: the last 64 KB
   */
  log = (id: string, from?: number): Promise<LogPiece> =>
    this.#http.json('GET', withQuery(`${runPath(id)}/log`, { from }))
  /** Metrics of several runs, and the settings in which they differ. */
  compare = (ids: readonly string[]): Promise<Comparison> =>
    this.#http.json('GET', withQuery('/api/compare', { ids: ids.join(',') }))

  /** The files in a run's folder. */
  runFiles = async (id: string): Promise<RunFile[]> =>
    (await this.#http.json<{ files: RunFile[] }>('GET', `${runPath(id)}/files`)).files
  /**
   * The address of a file in a run's folder, for links.
   * @param path in the folder, `/`-separated
   */
  runFileUrl = (id: string, path: string): string =>
    this.#http.url(`${runPath(id)}/files/${path.split('/').map(encode).join('/')}`)
  /** The address of a zip with the run's adapter, or with a folder of the run, for links. */
  downloadUrl = (id: string, path?: string): string => this.#http.url(withQuery(`${runPath(id)}/download`, { path }))

  /** Starts an export of the trained adapter, alone or merged. */
  exportRun = (id: string, request: ExportRequest): Promise<Job> =>
    this.#http.json('POST', `${runPath(id)}/export`, request)
  /** Starts an evaluation of the trained adapter on the rows of a file. */
  evalRun = (id: string, request: EvalRequest): Promise<Job> => this.#http.json('POST', `${runPath(id)}/eval`, request)
  /** Starts a push of the adapter, or of an export, to the Hub. */
  push = (id: string, request: PushRequest): Promise<Job> => this.#http.json('POST', `${runPath(id)}/push`, request)
  /** Folders of documents on their way to a model, newest first. */
  learnProjects = async (): Promise<LearnProject[]> =>
    (await this.#http.json<{ projects: LearnProject[] }>('GET', '/api/learn')).projects
  /** Begins a project: a model, and documents of this machine or to be sent. */
  createLearn = (project: CreateLearn): Promise<LearnProject> => this.#http.json('POST', '/api/learn', project)
  /** One project, with what its stages came to. */
  learnProject = (id: string): Promise<LearnProject> => this.#http.json('GET', learnPath(id))
  /**
   * Sends a document to a project.
   * @param path of the file in the folder that it is from, `/`-separated
   */
  async sendDocument(id: string, path: string, body: Blob, signal?: AbortSignal): Promise<{ bytes: number }> {
    const response = await this.#http.send('POST', withQuery(`${learnPath(id)}/documents`, { path }), {
      body,
      headers: { 'content-type': 'application/octet-stream' },
      ...(signal && { signal }),
    })
    return (await response.json()) as { bytes: number }
  }
  /** Takes the documents away that were sent. */
  clearDocuments = (id: string): Promise<LearnProject> => this.#http.json('DELETE', `${learnPath(id)}/documents`)
  /** Starts a job that does what is to be done up to a stage. */
  learnStage = (id: string, request: LearnStageRequest): Promise<Job> =>
    this.#http.json('POST', `${learnPath(id)}/stages`, request)
  /** The questions of a project: drafts, or those of a file. */
  learnQuestions = (id: string): Promise<LearnQuestions> => this.#http.json('GET', `${learnPath(id)}/questions`)
  /** Writes what a reviewer decided about drafts. @returns all of them */
  reviewQuestions = (id: string, review: Review): Promise<LearnQuestions> =>
    this.#http.json('POST', `${learnPath(id)}/questions`, review)
  /** Contexts from one on, 200 at most. */
  learnContexts = (id: string, from = 0, count?: number): Promise<LearnContexts> =>
    this.#http.json('GET', withQuery(`${learnPath(id)}/contexts`, { from, count }))
  /** The held-out questions with the answers of base and tuned model. */
  learnAnswers = async (id: string): Promise<LearnAnswer[]> =>
    (await this.#http.json<{ answers: LearnAnswer[] }>('GET', `${learnPath(id)}/answers`)).answers

  /** Jobs that are running, and those that ended last. */
  jobs = async (): Promise<Job[]> => (await this.#http.json<{ jobs: Job[] }>('GET', '/api/jobs')).jobs
  /** One job, with its progress. */
  job = (id: string): Promise<Job> => this.#http.json('GET', `/api/jobs/${encode(id)}`)
  /**
   * Ends a running job.
   * @returns its last state
   */
  cancelJob = (id: string): Promise<Job> => this.#http.json('DELETE', `/api/jobs/${encode(id)}`)

  /**
   * Follows the changes of all runs and jobs for as long as the stream is open. Each time it opens, everything there is
   * comes first.
   */
  follow = (options: Omit<StreamOptions<ChangeEvent>, 'from'>): Stream =>
    openStream<ChangeEvent>(this.#http, '/api/events', options)
  /** Follows one run: every line of its metrics, from `from` on if it is given, and its state. */
  followRun = (id: string, options: StreamOptions<RunEvent>): Stream =>
    openStream<RunEvent>(this.#http, `${runPath(id)}/events`, options)

  /**
   * The documents of a file, read as `jora learn` reads it; the server keeps nothing of it.
   * @param name the file's name, whose end says what it is
   */
  async readDocuments(name: string, body: Blob, signal?: AbortSignal): Promise<ReadDocuments> {
    const response = await this.#http.send('POST', withQuery('/api/documents', { name }), {
      body,
      headers: { 'content-type': 'application/octet-stream' },
      ...(signal && { signal }),
    })
    return (await response.json()) as ReadDocuments
  }

  /** Asks a model; the events are those of the answer. Leaving the loop, or aborting, ends the generation. */
  async *chat(request: ChatRequest, signal?: AbortSignal): AsyncGenerator<ChatEvent, void> {
    const response = await this.#http.send('POST', '/api/chat', {
      body: JSON.stringify(request),
      headers: { 'content-type': 'application/json' },
      ...(signal && { signal }),
    })
    for await (const line of linesOf(response.body!)) if (line !== '') yield JSON.parse(line) as ChatEvent
  }
}
