// Routes on the server itself: what a page must know first, and the stream of all that changes.
import { hubClient } from '@jora/llama'
import { Hono } from 'hono'
import { routes, settingsDefaults, type Session } from '../../api'
import { ChangeFeed } from '../change-feed'
import type { Services } from '../services'

export function sessionRoutes(services: Services): Hono {
  const { version, roots, runs, jobs, models, streams, bundledDatasets, runsFolder } = services
  const app = new Hono()
  app.get(routes.session.path, async (c) => {
    const { endpoint, offline, token } = await hubClient.hubSettings('session', {})
    const session: Session = {
      version,
      platform: `${process.platform}-${process.arch}`,
      roots: [...roots.roots],
      runsFolder,
      hub: { endpoint, offline, hasToken: token !== undefined },
      bundled: { model: models.bundled ?? null, datasets: bundledDatasets.map(({ path, name }) => ({ path, name })) },
      defaults: settingsDefaults,
      concurrency: services.concurrency,
      uploadLimitBytes: services.uploadLimitBytes,
    }
    return c.json(session)
  })
  app.get(routes.events.path, () => {
    streams.checkRoom()
    return streams.answer(new ChangeFeed(runs, jobs))
  })
  return app
}
