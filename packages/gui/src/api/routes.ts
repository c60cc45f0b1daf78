// The table of routes: method, path, what is sent, what comes back. Server, client and README follow it.
import { chatEventSchema, chatSchema, readDocumentsSchema } from './chat'
import {
  filesSchema,
  inspectionSchema,
  inspectRequestSchema,
  previewRequestSchema,
  previewSchema,
  uploadSchema,
} from './datasets'
import { evalSchema, exportSchema, jobSchema, jobsSchema, pushSchema } from './jobs'
import {
  createLearnSchema,
  learnAnswersSchema,
  learnContextsSchema,
  learnProjectSchema,
  learnProjectsSchema,
  learnQuestionsSchema,
  learnStageSchema,
  reviewSchema,
  sentDocumentSchema,
} from './learn'
import { metricsColumnsSchema } from './metrics'
import {
  devicesSchema,
  estimateRequestSchema,
  estimateSchema,
  hubDownloadSchema,
  hubSearchSchema,
  meshRequestSchema,
  meshSchema,
  modelSchema,
  modelsSchema,
} from './models'
import {
  comparisonSchema,
  createRunSchema,
  logSchema,
  runDetailSchema,
  runEventSchema,
  runFilesSchema,
  runLabelSchema,
  runSchema,
  runsSchema,
} from './runs'
import { changeEventSchema, sessionSchema } from './session'

/**
 * Every route: method, path, the schemas of body and response, and the form of the response. `json` comes whole;
 * `events` is a stream of server-sent events, `lines` one of JSON lines; `bytes` is a file.
 */
export const routes = {
  session: { method: 'GET', path: '/api/session', answer: sessionSchema, as: 'json' },
  events: { method: 'GET', path: '/api/events', answer: changeEventSchema, as: 'events' },

  models: { method: 'GET', path: '/api/models', answer: modelsSchema, as: 'json' },
  /** `?model=REF` */
  model: { method: 'GET', path: '/api/model', answer: modelSchema, as: 'json' },
  /** `?query=TEXT` */
  hubSearch: { method: 'GET', path: '/api/hub/search', answer: hubSearchSchema, as: 'json' },
  hubDownload: { method: 'POST', path: '/api/hub/download', body: hubDownloadSchema, answer: jobSchema, as: 'json' },
  devices: { method: 'GET', path: '/api/devices', answer: devicesSchema, as: 'json' },
  mesh: { method: 'POST', path: '/api/mesh', body: meshRequestSchema, answer: meshSchema, as: 'json' },
  estimate: { method: 'POST', path: '/api/estimate', body: estimateRequestSchema, answer: estimateSchema, as: 'json' },

  /** `?path=FOLDER`; without it the roots */
  files: { method: 'GET', path: '/api/files', answer: filesSchema, as: 'json' },
  /** `?name=FILE`; the file itself is the body, as application/octet-stream */
  upload: { method: 'POST', path: '/api/datasets', answer: uploadSchema, as: 'json' },
  inspect: {
    method: 'POST',
    path: '/api/datasets/inspect',
    body: inspectRequestSchema,
    answer: inspectionSchema,
    as: 'json',
  },
  preview: {
    method: 'POST',
    path: '/api/datasets/preview',
    body: previewRequestSchema,
    answer: previewSchema,
    as: 'json',
  },

  runs: { method: 'GET', path: '/api/runs', answer: runsSchema, as: 'json' },
  createRun: { method: 'POST', path: '/api/runs', body: createRunSchema, answer: runSchema, as: 'json' },
  run: { method: 'GET', path: '/api/runs/:id', answer: runDetailSchema, as: 'json' },
  /** Only from the queue: what a run has written stays on disk. */
  removeRun: { method: 'DELETE', path: '/api/runs/:id', answer: runSchema, as: 'json' },
  labelRun: { method: 'PATCH', path: '/api/runs/:id', body: runLabelSchema, answer: runSchema, as: 'json' },
  /** The run with all its files, for good. */
  deleteRun: { method: 'DELETE', path: '/api/runs/:id/files', answer: runSchema, as: 'json' },
  pauseRun: { method: 'POST', path: '/api/runs/:id/pause', answer: runSchema, as: 'json' },
  resumeRun: { method: 'POST', path: '/api/runs/:id/resume', answer: runSchema, as: 'json' },
  stopRun: { method: 'POST', path: '/api/runs/:id/stop', answer: runSchema, as: 'json' },
  /** `?from=ID`, or the header Last-Event-ID */
  runEvents: { method: 'GET', path: '/api/runs/:id/events', answer: runEventSchema, as: 'events' },
  /** `?from=LINE` */
  metrics: { method: 'GET', path: '/api/runs/:id/metrics', answer: metricsColumnsSchema, as: 'json' },
  /** `?from=BYTE`; without it the last 64 KB */
  log: { method: 'GET', path: '/api/runs/:id/log', answer: logSchema, as: 'json' },
  runFiles: { method: 'GET', path: '/api/runs/:id/files', answer: runFilesSchema, as: 'json' },
  runFile: { method: 'GET', path: '/api/runs/:id/files/:path{.+}', as: 'bytes' },
  /** A zip of the adapter, or with `?path=FOLDER` of a folder in the run's */
  download: { method: 'GET', path: '/api/runs/:id/download', as: 'bytes' },
  exportRun: { method: 'POST', path: '/api/runs/:id/export', body: exportSchema, answer: jobSchema, as: 'json' },
  evalRun: { method: 'POST', path: '/api/runs/:id/eval', body: evalSchema, answer: jobSchema, as: 'json' },
  pushRun: { method: 'POST', path: '/api/runs/:id/push', body: pushSchema, answer: jobSchema, as: 'json' },
  /** `?ids=A,B,…` */
  compare: { method: 'GET', path: '/api/compare', answer: comparisonSchema, as: 'json' },

  learnProjects: { method: 'GET', path: '/api/learn', answer: learnProjectsSchema, as: 'json' },
  createLearn: { method: 'POST', path: '/api/learn', body: createLearnSchema, answer: learnProjectSchema, as: 'json' },
  learnProject: { method: 'GET', path: '/api/learn/:id', answer: learnProjectSchema, as: 'json' },
  /** `?path=FOLDER/FILE`; the file itself is the body, as application/octet-stream */
  sendDocument: { method: 'POST', path: '/api/learn/:id/documents', answer: sentDocumentSchema, as: 'json' },
  clearDocuments: { method: 'DELETE', path: '/api/learn/:id/documents', answer: learnProjectSchema, as: 'json' },
  learnStage: { method: 'POST', path: '/api/learn/:id/stages', body: learnStageSchema, answer: jobSchema, as: 'json' },
  learnQuestions: { method: 'GET', path: '/api/learn/:id/questions', answer: learnQuestionsSchema, as: 'json' },
  reviewQuestions: {
    method: 'POST',
    path: '/api/learn/:id/questions',
    body: reviewSchema,
    answer: learnQuestionsSchema,
    as: 'json',
  },
  /** `?from=ROW&count=N`, at most 200 at a time */
  learnContexts: { method: 'GET', path: '/api/learn/:id/contexts', answer: learnContextsSchema, as: 'json' },
  learnAnswers: { method: 'GET', path: '/api/learn/:id/answers', answer: learnAnswersSchema, as: 'json' },

  jobs: { method: 'GET', path: '/api/jobs', answer: jobsSchema, as: 'json' },
  job: { method: 'GET', path: '/api/jobs/:id', answer: jobSchema, as: 'json' },
  cancelJob: { method: 'DELETE', path: '/api/jobs/:id', answer: jobSchema, as: 'json' },

  /** `?name=FILE`; the file itself is the body, as application/octet-stream. It is kept nowhere. */
  readDocuments: { method: 'POST', path: '/api/documents', answer: readDocumentsSchema, as: 'json' },
  chat: { method: 'POST', path: '/api/chat', body: chatSchema, answer: chatEventSchema, as: 'lines' },
} as const
/** The type of {@link routes}. */
export type Routes = typeof routes
/** A key of {@link routes}. */
export type RouteName = keyof Routes
