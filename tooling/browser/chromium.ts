// A headless Chromium that this machine has, and a page in it.
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { chromium } from 'playwright-core'
import { bundleForPage } from './bundle'
import { npmChromium, type Program } from './npm-chromium'

let found: Promise<Program | undefined> | undefined

/** The browser: CHROMIUM_PATH (`npm` for the npm package's), else where systems put it, else the npm package's. */
function findChromium(): Promise<Program | undefined> {
  const { CHROMIUM_PATH: given } = process.env
  const path = given || ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((file) => existsSync(file))
  found ??= path === undefined || path === 'npm' ? npmChromium() : Promise.resolve({ path, env: {} })
  return found
}

/** Whether {@link runInPage} can run: where not, a test skips with `needsChromium` as the reason. */
export const hasChromium = async (): Promise<boolean> => (await findChromium()) !== undefined
export const needsChromium = 'needs Chromium (CHROMIUM_PATH=/path/to/it)'

/** What a page answers requests with, by path. */
export type PageFiles = Readonly<Record<string, string | Uint8Array>>

/**
 * Bundles `text`, a module, and gives what its export `run()` resolves to in a page.
 * @param text its imports are resolved from this folder
 * @param files what the page can fetch, by path, e.g. `/config.json`
 * @throws Error as the page threw it
 */
export async function runInPage<T>(text: string, files: PageFiles = {}): Promise<T> {
  const program = await findChromium()
  if (!program) throw new Error(needsChromium)
  const { code } = await bundleForPage(text)
  const served: PageFiles = { ...files, '/': '<!doctype html><meta charset="utf-8">', '/page.js': code }
  const server = createServer(({ url = '' }, response) => {
    const body = served[url]
    const type = url === '/' ? 'text/html' : url.endsWith('.js') ? 'text/javascript' : 'application/octet-stream'
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': type }).end(body)
  })
  // A local address is a secure context, without which a page has no WebGPU.
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const browser = await chromium.launch({
    executablePath: program.path,
    env: { ...process.env, ...program.env },
    // WebGPU on the CPU, the same on every machine.
    args: ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
  })
  try {
    const page = await browser.newPage()
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    // As text: a function would arrive as the test runner has rewritten it.
    return await page.evaluate<T>(`import('/page.js').then(({ run }) => run())`)
  } finally {
    await browser.close()
    server.close()
  }
}
