// The whole of it, as a person who never saw a terminal meets it: the real command, its server, its runs, in a browser.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { hasChromium, launch, needsChromium } from './browser'

const cli = join(import.meta.dirname, '../../cli')
const isBuilt = existsSync(join(cli, 'dist/main.js')) && existsSync(join(cli, 'dist/web/index.html'))
const shots = process.env.JORA_SCREENSHOTS ?? join(tmpdir(), 'jora-screenshots')

let folder: string
let browser: Browser
/** Errors of consoles and pages; none is right. */
const errors: string[] = []

interface Server {
  readonly url: string
  readonly address: string
  readonly process: ChildProcess
}
const servers = new Set<ChildProcess>()

/** `jora gui` on `port`, with its state and runs in `folder`. */
async function startServer(port = 0): Promise<Server> {
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
}

async function endServer({ process: child }: Server): Promise<void> {
  const ended = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGINT')
  await ended
  servers.delete(child)
}

async function newPage(context: BrowserContext): Promise<Page> {
  const page = await context.newPage()
  page.on('console', (message) => message.type() === 'error' && errors.push(`${page.url()}: ${message.text()}`))
  page.on('pageerror', (error) => errors.push(String(error)))
  return page
}

const newContext = (): Promise<BrowserContext> => browser.newContext({ reducedMotion: 'reduce' })
const shoot = (page: Page, name: string) => page.screenshot({ path: join(shots, `whole-${name}.png`), fullPage: true })
const state = (page: Page, text: string) => page.locator('main h1').locator('..').getByText(text, { exact: true })
/** Steps done, as the page shows them. */
const stepsOf = async (page: Page): Promise<number> =>
  Number(/(\d+) \/ \d+/.exec((await page.getByLabel('Progress').textContent()) ?? '')?.[1] ?? 0)

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

test(
  'two people: one starts the quickstart, its curve moves; the other stops it within five seconds, and the first is told',
  { timeout: 120_000 },
  async () => {
    const server = await startServer()
    const [mine, theirs] = [await newContext(), await newContext()]
    const page = await newPage(mine)
    const began = Date.now()
    await page.goto(server.url)
    await page.getByRole('button', { name: 'Start the quickstart' }).click({ trial: true })
    const interactive = Date.now() - began
    await page.getByRole('button', { name: 'Start the quickstart' }).click()
    await page.waitForURL(/\/runs\//)
    await expect.poll(() => stepsOf(page), { timeout: 60_000 }).toBeGreaterThan(3)
    await page.locator('.uplot').first().waitFor()
    await shoot(page, 'quickstart')
    // Someone else, in a browser of their own, who was let in.
    await theirs.addCookies(await mine.cookies())
    const other = await newPage(theirs)
    await other.goto(page.url())
    const before = await stepsOf(page)
    await page.reload()
    await expect.poll(() => stepsOf(page), { timeout: 30_000 }).toBeGreaterThan(before)
    await other.getByRole('button', { name: 'Stop', exact: true }).click()
    const asked = Date.now()
    await other.getByRole('button', { name: 'Stop the run' }).click()
    await state(other, 'stopped').waitFor()
    expect(Date.now() - asked).toBeLessThan(5000)
    await state(page, 'stopped').waitFor()
    await expect.poll(() => page.getByRole('status').allTextContents()).toContainEqual(expect.stringMatching(/stopped/))
    // Figures of a busy machine; alone it takes a third of this.
    expect(interactive).toBeLessThan(3000)
    expect(errors).toEqual([])
    await mine.close()
    await theirs.close()
    await endServer(server)
  },
)

test(
  'a run of one’s own goes on while the page is closed and the server starts anew; then it answers, and is taken away',
  { timeout: 180_000 },
  async () => {
    let server = await startServer()
    const context = await newContext()
    let page = await newPage(context)
    await page.goto(server.url)
    await page.getByRole('link', { name: 'New run' }).first().click()
    await page.getByRole('radio', { name: /tiny-llama/ }).check()
    await page.getByRole('radio', { name: /Questions and answers/ }).check()
    await page.getByText('What the model learns', { exact: true }).waitFor()
    await page.getByText('Advanced settings').click()
    await page.getByLabel('At most this many steps').fill('25')
    await page.getByLabel('Name of the run').fill('mine')
    await shoot(page, 'new-run')
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await page.waitForURL(/\/runs\//)
    await expect.poll(() => stepsOf(page), { timeout: 60_000 }).toBeGreaterThan(0)
    const path = new URL(page.url()).pathname
    await page.close()
    await endServer(server)
    server = await startServer(Number(new URL(server.address).port))
    // The session holds; an address with a token is not needed again.
    page = await newPage(context)
    await page.goto(server.address + path)
    await state(page, 'done').waitFor({ timeout: 90_000 })
    await shoot(page, 'done')

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download the adapter' }).click(),
    ])
    const bytes = readFileSync(await download.path())
    expect(bytes.includes('adapter_model.safetensors')).toBe(true)
    expect(bytes.length).toBeGreaterThan(100_000)

    await page.getByRole('link', { name: 'Open the playground' }).click()
    await page.getByLabel('Question').fill('The cat is in the garden. Question: Where is the cat?')
    await page.getByLabel('Longest answer').fill('12')
    await page.getByRole('button', { name: 'Ask' }).click()
    await page
      .getByText(/tokens in/)
      .nth(1)
      .waitFor({ timeout: 60_000 })
    await shoot(page, 'playground')
    expect(errors).toEqual([])
    await context.close()
    await endServer(server)
  },
)
