// Routes on models, devices, and what runs take on them.
import { Hono } from 'hono'
import { estimateRequestSchema, hubDownloadSchema, meshRequestSchema, routes } from '../../api'
import { downloadWork } from '../../jobs/work'
import { estimateRun } from '../../models/estimate'
import { searchHub } from '../../models/hub-search'
import { meshPicture } from '../../models/mesh-picture'
import { checkSettings } from '../../runs/check-settings'
import { queryText, readJson } from '../body'
import { badValue } from '../failure'
import type { Services } from '../services'

export function modelRoutes({ models, roots, jobs, devices, commands, cwd }: Services): Hono {
  const app = new Hono()
  app.get(routes.models.path, async (c) => c.json({ models: await models.list() }))
  app.get(routes.model.path, async (c) => c.json(await models.get(queryText(c, 'model'))))
  app.get(routes.hubSearch.path, async (c) => {
    const query = queryText(c, 'query').slice(0, 200)
    return c.json({ models: await searchHub(query, new Set(await models.cached()), c.req.raw.signal) })
  })
  app.post(routes.hubDownload.path, async (c) => {
    const { id } = await readJson(c, hubDownloadSchema)
    return c.json(jobs.start(downloadWork(id)), 202)
  })
  app.get(routes.devices.path, async (c) => c.json(await devices.get()))
  app.post(routes.mesh.path, async (c) => {
    const { model, mesh } = await readJson(c, meshRequestSchema)
    return c.json(await meshPicture(await models.folderOf(model), mesh))
  })
  app.post(routes.estimate.path, async (c) => {
    const request = await readJson(c, estimateRequestSchema)
    const { settings, modelDir } = await checkSettings(request.settings, roots, models)
    if (modelDir === undefined)
      throw badValue('settings.model', `${settings.model} is not on this machine yet: download it for an estimate.`)
    const options = { cwd, signal: c.req.raw.signal }
    return c.json(await estimateRun({ commands, devices: await devices.get(), settings, modelDir, options }))
  })
  return app
}
