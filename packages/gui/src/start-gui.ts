// startGui: the server of the page, from its options to its address.
import { mkdir } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { getRequestListener } from '@hono/node-server'
import { hubClient } from '@jora/llama'
import packageJson from '../package.json' with { type: 'json' }
import { Inspector } from './datasets/inspect'
import { DocumentReader } from './documents/read'
import { Roots } from './files/roots'
import { Jobs } from './jobs/jobs'
import { LearnProjects } from './learn/projects'
import { DeviceList } from './models/devices'
import { Models } from './models/models'
import { Playground } from './playground/playground'
import { Commands, type Command } from './process/command'
import { MetricsFiles } from './runs/metrics-file'
import { RunManager } from './runs/run-manager'
import { createApp } from './server/app'
import { isLoopback, ownNames } from '@jora/serve'
import { Password } from './server/password'
import type { BundledDataset, Services } from './server/services'
import { Sessions } from './server/sessions'
import { Streams } from './server/streams'

/** What {@link startGui} serves, where, and to whom. */
export interface GuiOptions {
  /**
   * The address to listen on (default 127.0.0.1). Any other can be reached by other machines and requires a password.
   */
  readonly host?: string
  /** 0, the default, takes a free one. */
  readonly port?: number
  /** Folders that the page may use; runs are made in the first. */
  readonly roots: readonly string[]
  /** Where sessions and uploads are kept. */
  readonly stateDir: string
  /** The built page. */
  readonly staticDir?: string | undefined
  /** How the command line is started. */
  readonly command: Command
  /** Opens a session, as the launch token does. */
  readonly password?: string | undefined
  /** What ships with the command: read, not browsed. */
  readonly bundled?: { readonly model?: string; readonly datasets?: readonly BundledDataset[] }
  /** Runs at once (default 1). */
  readonly concurrency?: number
  /** Most bytes of an uploaded file (default 200 MB). */
  readonly uploadLimitBytes?: number
  /** Event streams at once (default 64). */
  readonly streamLimit?: number
  /** How often an event stream without events gets a line that keeps it open (default 15,000). */
  readonly heartbeatMs?: number
  /** The playground's process ends after this long without a question (default 10 minutes). */
  readonly playgroundIdleMs?: number
  /** Called with unexpected errors; absent: they are dropped. */
  readonly onError?: (error: Error) => void
}

/** A running server. */
export interface Gui {
  /** `http://127.0.0.1:PORT` */
  readonly address: string
  readonly port: number
  /** The address with the token that opens one session, once. */
  readonly launchUrl: string
  /** Runs of this server that are running. */
  runningRuns(): number
  /** Stops listening at once. Runs continue. */
  close(): Promise<void>
}

/** The server cannot be started as it was asked to. */
export class GuiError extends Error {
  override readonly name = 'GuiError'
}

/**
 * Starts the server of the page.
 * @throws GuiError when the address cannot be used, a root is not a folder, or a password is missing
 */
export async function startGui(options: GuiOptions): Promise<Gui> {
  const { host = '127.0.0.1', port = 0, password } = options
  if (!isLoopback(host) && !password)
    throw new GuiError(`others can reach ${host}: give a password, or listen on 127.0.0.1`)
  const stateDir = resolve(options.stateDir)
  const [uploadsFolder, cwd] = [join(stateDir, 'uploads'), join(stateDir, 'empty')]

  const { model, datasets = [] } = options.bundled ?? {}
  const { cacheDir } = await hubClient.hubSettings('Hugging Face', {}).catch((error: Error) => {
    throw new GuiError(error.message)
  })
  const readable = [cacheDir, ...(model === undefined ? [] : [model]), ...datasets.map(({ path }) => path)]
  const roots = await Roots.open(options.roots, uploadsFolder, readable).catch((error: Error) => {
    throw new GuiError(error.message)
  })
  await mkdir(cwd, { recursive: true })
  const runsFolder = join(roots.roots[0]!.path, 'jora-runs')
  const commands = new Commands(options.command)
  const concurrency = options.concurrency ?? 1
  const sessions = await Sessions.open(stateDir)
  const runs = new RunManager({
    roots,
    command: options.command,
    cwd,
    concurrency,
    runsFolder,
    seal: (text) => sessions.seal(text),
  })
  const services: Services = {
    version: packageJson.version,
    roots,
    runs,
    metrics: new MetricsFiles(),
    jobs: new Jobs(),
    projects: new LearnProjects(join(roots.roots[0]!.path, 'jora-learn')),
    models: new Models(roots, model, () => runs.modelFolders),
    devices: new DeviceList(commands, cwd),
    commands,
    inspector: new Inspector(cwd),
    documents: new DocumentReader(cwd),
    playground: new Playground({ cwd, idleMs: options.playgroundIdleMs ?? 600_000 }),
    streams: new Streams(options.streamLimit ?? 64, options.heartbeatMs ?? 15_000),
    bundledDatasets: datasets,
    runsFolder,
    uploadsFolder,
    uploadLimitBytes: options.uploadLimitBytes ?? 200e6,
    concurrency,
    cwd,
  }
  const app = createApp(services, {
    names: ownNames(host),
    sessions,
    password: password ? new Password(password) : undefined,
    staticDir: options.staticDir,
    onError: options.onError ?? (() => {}),
  })
  const server = createServer(getRequestListener(app.fetch, { overrideGlobalObjects: false }))
  await listen(server, host, port)
  await runs.open()
  const bound = (server.address() as AddressInfo).port
  const shown = host.includes(':') ? `[${host}]` : host
  const address = `http://${shown}:${bound}`
  return {
    address,
    port: bound,
    launchUrl: `${address}/?token=${sessions.launchToken}`,
    runningRuns: () =>
      runs.list().filter(({ source, state }) => source === 'gui' && (state === 'running' || state === 'starting'))
        .length,
    async close() {
      services.streams.closeAll()
      for (const part of [services.playground, services.commands, services.inspector, services.documents]) part.close()
      const closed = new Promise<void>((done) => server.close(() => done()))
      server.closeAllConnections()
      await Promise.all([closed, runs.close(), services.jobs.close()])
    },
  }
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((done, fail) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why: Record<string, string> = {
        EADDRINUSE: 'is in use: choose another --port, or leave it to 0',
        EACCES: 'may not be used by you: choose a --port from 1024 on',
        EADDRNOTAVAIL: 'is not an address of this machine',
      }
      fail(new GuiError(`${host}:${port} ${why[error.code ?? ''] ?? error.message}`))
    })
    server.listen(port, host, done)
  })
}
