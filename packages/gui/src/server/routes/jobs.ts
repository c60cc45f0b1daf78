// Routes on jobs, and those that start one for a run.
import { isAbsolute } from 'node:path'
import { Hono } from 'hono'
import { evalSchema, exportSchema, pushSchema, routes } from '../../api'
import { evalWork, exportWork, pushWork } from '../../jobs/work'
import { readJson } from '../body'
import { Failure } from '../failure'
import { modelDirOf } from '../model-of-run'
import type { Services } from '../services'

export function jobRoutes({ jobs, runs, roots, models, commands, cwd }: Services): Hono {
  const app = new Hono()
  app.get(routes.jobs.path, (c) => c.json({ jobs: jobs.list() }))
  app.get(routes.job.path, (c) => c.json(jobs.get(c.req.param('id'))))
  app.delete(routes.cancelJob.path, (c) => c.json(jobs.cancel(c.req.param('id'))))
  app.post(routes.exportRun.path, async (c) => {
    const run = runs.get(c.req.param('id'))
    const request = await readJson(c, exportSchema)
    const modelDir = await modelDirOf(run, models)
    return c.json(jobs.start(await exportWork(run, request, { commands, cwd, modelDir })), 202)
  })
  app.post(routes.evalRun.path, async (c) => {
    const run = runs.get(c.req.param('id'))
    const { dataset, ...request } = await readJson(c, evalSchema)
    const given = { ...request, dataset: await roots.file(dataset, 'dataset') }
    return c.json(jobs.start(evalWork(run, given, { commands, cwd, modelDir: await modelDirOf(run, models) })), 202)
  })
  app.post(routes.pushRun.path, async (c) => {
    const run = runs.get(c.req.param('id'))
    const request = await readJson(c, pushSchema)
    if (request.file !== undefined && isAbsolute(request.file))
      throw new Failure('not_found', 'This run has no such file.')
    return c.json(jobs.start(await pushWork(run, request, { commands, cwd })), 202)
  })
  return app
}
