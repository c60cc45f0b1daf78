// Routes on files: browsing, sending, and what a dataset's rows become.
import { Hono } from 'hono'
import { inspectRequestSchema, previewRequestSchema, routes } from '../../api'
import { asPreview, readPreview } from '../../datasets/preview'
import { saveUpload } from '../../datasets/upload'
import { browse } from '../../files/browse'
import { checkSettings } from '../../runs/check-settings'
import { checkOctets, queryText, readJson } from '../body'
import { badValue } from '../failure'
import type { Services } from '../services'

const shownRows = 5

export function datasetRoutes(services: Services): Hono {
  const { roots, models, commands, inspector, cwd, uploadsFolder, uploadLimitBytes } = services
  const app = new Hono()
  app.get(routes.files.path, async (c) => c.json(await browse(c.req.query('path'), roots)))
  app.post(routes.upload.path, async (c) => {
    checkOctets(c)
    return c.json(await saveUpload(c.req.raw, queryText(c, 'name'), uploadsFolder, uploadLimitBytes), 201)
  })
  app.post(routes.inspect.path, async (c) => {
    const { dataset, rows = shownRows, columns } = await readJson(c, inspectRequestSchema)
    return c.json(await inspector.inspect(await roots.file(dataset, 'dataset'), rows, c.req.raw.signal, columns))
  })
  app.post(routes.preview.path, async (c) => {
    const { settings: given, index } = await readJson(c, previewRequestSchema)
    const { settings, modelDir } = await checkSettings(given, roots, models)
    if (modelDir === undefined)
      throw badValue('settings.model', `${settings.model} is not on this machine yet: download it to see its tokens.`)
    const options = { cwd, signal: c.req.raw.signal, index }
    return c.json(asPreview(await readPreview(commands, settings, modelDir, options)))
  })
  return app
}
