// The page as people get it, behind a fake server, with a browser to look at it.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { build } from 'vite'
import { hasChromium, launch } from './browser'
import { startFakeServer, type FakeServer } from './fake-server'

export interface BuiltPage {
  readonly server: FakeServer
  readonly browser: Browser
  close(): Promise<void>
}

/** Builds the page and serves it; nothing where there is no browser. */
export async function openBuiltPage(): Promise<BuiltPage | undefined> {
  if (!hasChromium) return undefined
  const folder = mkdtempSync(join(tmpdir(), 'jora-web-'))
  // What is served to people: test runners ask for React's slower development build.
  const { NODE_ENV } = process.env
  process.env.NODE_ENV = 'production'
  await build({
    root: join(import.meta.dirname, '..'),
    logLevel: 'error',
    build: { outDir: folder, emptyOutDir: true },
  })
  process.env.NODE_ENV = NODE_ENV
  const server = await startFakeServer(folder)
  const browser = await launch()
  return {
    server,
    browser,
    async close() {
      await browser.close()
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
