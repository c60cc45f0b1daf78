// The real command: `jora gui` as it was built, in a folder of its own, with a browser to look at it.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach } from 'vitest'
import { hasChromium, launch, needsChromium } from './browser'

const cli = join(import.meta.dirname, '../../cli')
const isBuilt = existsSync(join(cli, 'dist/main.js')) && existsSync(join(cli, 'dist/web/index.html'))
const shots = process.env.JORA_SCREENSHOTS ?? join(tmpdir(), 'jora-screenshots')

export interface Server {
  readonly url: string
  readonly address: string
  readonly process: ChildProcess
}

export interface Ground {
  /** Errors of consoles and pages; none is right. */
  readonly errors: string[]
  /** Starts `jora gui` on `port`, with its state and runs in the folder of the test. */
  start(port?: number): Promise<Server>
  end(server: Server): Promise<void>
  newContext(): Promise<BrowserContext>
  newPage(context: BrowserContext): Promise<Page>
  /** A picture of the whole page, for people to look at. */
  shoot(page: Page, name: string): Promise<unknown>
}

/** What the tests of a file stand on; they are skipped where there is no browser, or nothing is built. */
export function ground(): Ground {
  let folder: string
  let browser: Browser
  const errors: string[] = []
  const servers = new Set<ChildProcess>()
  beforeAll(async () => {
    if (!hasChromium || !isBuilt) return
    folder = mkdtempSync(join(tmpdir(), 'jora-whole-'))
    mkdirSync(shots, { recursive: true })
    browser = await launch()
  })
  beforeEach((ctx) => {
    ctx.skip(!hasChromium, needsChromium)
    ctx.skip(!isBuilt, 'needs the built command (npm run build)')
  })
  afterAll(async () => {
    await browser?.close()
    for (const child of servers) child.kill('SIGKILL')
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })
  return {
    errors,
    async start(port = 0) {
      const child = spawn(
        process.execPath,
        [join(cli, 'bin/jora.mjs'), 'gui', '--no-open', '--json', `--port=${port}`, `--root=${folder}`],
        { cwd: folder, env: { ...process.env, XDG_STATE_HOME: join(folder, '.state'), HF_HUB_OFFLINE: '1' } },
      )
      servers.add(child)
      let told = ''
      child.stderr.on('data', (data) => (told += String(data)))
      const line = await new Promise<string>((resolve, reject) => {
        child.stdout.once('data', (data) => resolve(String(data)))
        child.once('exit', () => reject(new Error(`jora gui ended: ${told}`)))
      })
      return { ...(JSON.parse(line) as { url: string; address: string }), process: child }
    },
    async end({ process: child }) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGINT')
      await ended
      servers.delete(child)
    },
    newContext: () => browser.newContext({ reducedMotion: 'reduce' }),
    async newPage(context) {
      const page = await context.newPage()
      page.on('console', (message) => message.type() === 'error' && errors.push(`${page.url()}: ${message.text()}`))
      page.on('pageerror', (error) => errors.push(String(error)))
      return page
    },
    shoot: (page, name) => page.screenshot({ path: join(shots, `whole-${name}.png`), fullPage: true }),
  }
}
