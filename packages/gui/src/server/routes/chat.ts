// The playground's route: an answer as lines of JSON, ended when its reader leaves.
import { Hono } from 'hono'
import { chatSchema, routes, sides, type ChatEvent, type ChatRequest } from '../../api'
import type { Ask } from '../../playground/messages'
import { checkOctets, queryText, readJson } from '../body'
import { badValue, Failure } from '../failure'
import { modelDirOf } from '../model-of-run'
import type { Services } from '../services'

/** Documents come with the question. */
const limitBytes = 16 << 20

/** @throws Failure for models and adapters that are not there */
async function askOf(request: ChatRequest, { runs, models, roots }: Services): Promise<Ask> {
  const { runId, model, adapter, sides: asked, mode, ...rest } = request
  if (runId === undefined) {
    if (model === undefined) throw badValue('runId', 'say which run, or which model, is asked')
    const adapterDir = adapter === undefined ? null : await roots.folder(adapter, 'adapter')
    const modelDir = await models.folderOf(model, 'model')
    return {
      ...rest,
      modelDir,
      adapterDir,
      sides: asked ?? (adapterDir === null ? ['base'] : [...sides]),
      mode,
    }
  }
  const run = runs.get(runId)
  const modelDir = await modelDirOf(run, models)
  if (run.trained === null && asked?.includes('tuned') !== false)
    throw new Failure(
      'conflict',
      'This run has trained nothing yet: let it reach a checkpoint, or ask the base model alone.',
    )
  return {
    ...rest,
    modelDir,
    adapterDir: run.adapter,
    ...(run.trains === 'model' && run.trained !== null && { tunedDir: run.trained }),
    sides: asked ?? [...sides],
    mode,
  }
}

/** Lines of JSON, pulled as the reader takes them. */
function linesOf(events: AsyncGenerator<ChatEvent, void>, abort: AbortController): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  const line = (event: ChatEvent) => encoder.encode(`${JSON.stringify(event)}\n`)
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await events.next()
        if (done) controller.close()
        else controller.enqueue(line(value))
      } catch (error) {
        controller.enqueue(line({ type: 'error', message: (error as Error).message }))
        controller.close()
      }
    },
    cancel() {
      abort.abort(new Error('the reader has left'))
      void events.return().catch(() => {})
    },
  })
}

export function chatRoutes(services: Services): Hono {
  const app = new Hono()
  app.post(routes.readDocuments.path, async (c) => {
    checkOctets(c)
    return c.json(await services.documents.read(c.req.raw, queryText(c, 'name'), services.uploadLimitBytes))
  })
  app.post(routes.chat.path, async (c) => {
    const ask = await askOf(await readJson(c, chatSchema, limitBytes), services)
    const abort = new AbortController()
    const events = services.playground.ask(ask, abort.signal)
    return new Response(linesOf(events, abort), {
      headers: { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
    })
  })
  return app
}
