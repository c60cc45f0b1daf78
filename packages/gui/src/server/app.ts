// The server's requests: through the guard, past the door, to a route or a file of the page.
import { getConnInfo } from '@hono/node-server/conninfo'
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import { Failure } from './failure'
import { checkOrigin, withHeaders } from './guard'
import { notSignedIn, passwordForm, spentToken } from './pages'
import type { Password } from './password'
import { chatRoutes } from './routes/chat'
import { datasetRoutes } from './routes/datasets'
import { jobRoutes } from './routes/jobs'
import { learnRoutes } from './routes/learn'
import { modelRoutes } from './routes/models'
import { runRoutes } from './routes/runs'
import { sessionRoutes } from './routes/session'
import type { Services } from './services'
import type { Sessions } from './sessions'
import { staticFiles } from './static-files'

export interface AppOptions {
  readonly names: ReadonlySet<string>
  readonly sessions: Sessions
  readonly password: Password | undefined
  readonly staticDir: string | undefined
  /** Called with errors that nobody foresaw. */
  readonly onError: (error: Error) => void
}

const isApi = (c: Context): boolean => c.req.path.startsWith('/api/')
const formLimitBytes = 4096

export function createApp(services: Services, options: AppOptions): Hono {
  const { sessions, password, onError } = options
  const app = new Hono()
  app.use(withHeaders, checkOrigin(options.names))
  app.get('/', launch(sessions))
  app.post('/login', async (c) => {
    if (!password) throw new Failure('not_found', 'This server has no password.')
    if (Number(c.req.header('content-length') ?? Infinity) > formLimitBytes)
      throw new Failure('bad_request', 'That is not the password.')
    const { password: given } = await c.req.parseBody()
    try {
      password.check(typeof given === 'string' ? given : '', getConnInfo(c).remote.address ?? '')
    } catch (error) {
      if (error instanceof Failure) return passwordForm(error)
      throw error
    }
    c.header('set-cookie', sessions.cookie())
    return c.redirect('/', 303)
  })
  app.use(async (c, next) => {
    if (sessions.isOpen(c.req.header('cookie'))) return next()
    if (isApi(c)) throw new Failure('unauthenticated', 'There is no session: open the address that jora gui printed.')
    return password ? passwordForm() : notSignedIn()
  })
  for (const group of [sessionRoutes, modelRoutes, datasetRoutes, runRoutes, jobRoutes, learnRoutes, chatRoutes])
    app.route('/', group(services))
  app.all('/api/*', () => {
    throw new Failure('not_found', 'There is no such route.')
  })
  app.get('*', staticFiles(options.staticDir))
  app.notFound(() => new Failure('not_found', 'There is nothing here.').toResponse())
  app.onError((error, c) => {
    if (error instanceof Failure) return error.toResponse()
    if (c.req.raw.signal.aborted) return new Response(null, { status: 499 })
    onError(error)
    return new Failure('failed', `Something went wrong: ${error.message}`).toResponse()
  })
  return app
}

/** `/?token=…`, once: a session, and the page without the token in its address. */
function launch(sessions: Sessions): MiddlewareHandler {
  return async (c, next) => {
    const token = c.req.query('token')
    if (token === undefined) return next()
    // Links are looked at before they are opened.
    if (c.req.method === 'HEAD') return c.body(null, 204)
    if (sessions.redeem(token)) c.header('set-cookie', sessions.cookie())
    else if (!sessions.isOpen(c.req.header('cookie'))) return spentToken()
    return c.redirect('/', 303)
  }
}
