// The page in a real browser against a fake server: every page in both themes and on a phone, under the security policy.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { RunOptions } from 'axe-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { hasChromium, needsChromium } from './browser'
import { loadAxe, seriousFindings } from './axe'
import { openBuiltPage, type BuiltPage } from './built-page'
import { asks, type FakeServer } from './fake-server'

/** Where pictures of the pages go for people to look at; without it none is taken. */
const shots = process.env.JORA_SCREENSHOTS

async function shoot(page: Page, name: string, fullPage = false): Promise<void> {
  if (shots !== undefined) await page.screenshot({ path: join(shots, name), fullPage })
}

let opened: BuiltPage | undefined
let server: FakeServer
let browser: Browser

beforeAll(async () => {
  opened = await openBuiltPage()
  if (opened) ({ server, browser } = opened)
  if (shots !== undefined) mkdirSync(shots, { recursive: true })
})
beforeEach((ctx) => ctx.skip(!hasChromium, needsChromium))
afterAll(() => opened?.close())

interface Opened {
  readonly page: Page
  readonly context: BrowserContext
  /** Errors of the console and of the page; none is right. */
  readonly errors: string[]
}

async function open(path: string): Promise<Opened> {
  const viewport = { width: 1280, height: 860 }
  const context = await browser.newContext({ colorScheme: 'light', viewport, reducedMotion: 'reduce' })
  const page = await context.newPage()
  const errors: string[] = []
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  page.on('pageerror', (error) => errors.push(String(error)))
  await page.goto(server.url + path)
  return { page, context, errors }
}

/** What a page must show before it is looked at. */
const pages: readonly {
  readonly name: string
  readonly path: string
  readonly ready: (page: Page) => Promise<unknown>
}[] = [
  {
    name: 'home',
    path: '/',
    async ready(page) {
      // A curve is fetched when its row comes into sight.
      await page.locator('.run-row').nth(2).scrollIntoViewIfNeeded()
      await page.locator('.run-row .spark').nth(2).waitFor()
    },
  },
  {
    name: 'new-run',
    path: '/new',
    async ready(page) {
      await page.getByRole('radio', { name: /tiny-llama/ }).check()
      await page.getByRole('radio', { name: /Countries/ }).check()
      await page.getByText('What the model learns', { exact: true }).waitFor()
      await page.locator('#check .section-status', { hasText: 'ready to start' }).waitFor()
      await page.getByLabel('Split the model over').selectOption('2')
      await page.getByText('Device 1', { exact: true }).first().waitFor()
    },
  },
  { name: 'learn-start', path: '/learn', ready: (page) => page.getByText('Begun before').waitFor() },
  {
    name: 'learn-begun',
    path: '/learn/begun',
    ready: (page) => page.getByText('Drop a folder or files here').waitFor(),
  },
  {
    name: 'learn',
    path: '/learn/small',
    async ready(page) {
      await page.locator('.review-row').first().waitFor()
      await page.locator('.context').first().waitFor()
      await page.locator('.answer-row').first().waitFor()
      await page.locator('.context summary').nth(1).click()
      await page.locator('#questions').scrollIntoViewIfNeeded()
    },
  },
  { name: 'run-live', path: '/runs/two-devices', ready: (page) => page.locator('.uplot').nth(2).waitFor() },
  {
    name: 'run-done',
    path: '/runs/quickstart',
    ready: (page) => page.getByText('Answered exactly right').waitFor(),
  },
  { name: 'run-failed', path: '/runs/too-large', ready: (page) => page.getByText('The run has failed').waitFor() },
  {
    name: 'compare',
    path: '/compare?run=quickstart&run=rank-32&run=terminal-run',
    ready: (page) => page.locator('.uplot').first().waitFor(),
  },
  {
    name: 'playground',
    path: '/playground?run=quickstart',
    async ready(page) {
      await page.getByRole('button', { name: 'Where is Peru?' }).click()
      await page.getByRole('button', { name: 'Ask' }).click()
      await page
        .getByText(/tokens in/)
        .nth(1)
        .waitFor()
    },
  },
]

/** `rules`: what axe is asked besides the whole of it in light: contrast is another in dark, all else on a phone. */
const looks: readonly { look: string; colorScheme: 'light' | 'dark'; width: number; rules: RunOptions }[] = [
  { look: 'light', colorScheme: 'light', width: 1280, rules: {} },
  { look: 'dark', colorScheme: 'dark', width: 1280, rules: { runOnly: ['color-contrast'] } },
  { look: 'phone', colorScheme: 'light', width: 390, rules: { rules: { 'color-contrast': { enabled: false } } } },
]

describe('every page', () => {
  test.each(pages)(
    '$name, in light, in dark, on a phone: nothing in the console, no serious finding of axe, nothing wider than the window',
    async ({ name, path, ready }) => {
      const { page, context, errors } = await open(path)
      await ready(page)
      await loadAxe(page)
      for (const { look, colorScheme, width, rules } of looks) {
        await page.emulateMedia({ colorScheme })
        await page.setViewportSize({ width, height: 860 })
        await page.waitForTimeout(150)
        await shoot(page, `${name}-${look}.png`, true)
        expect(await seriousFindings(page, rules), look).toEqual([])
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
        expect(Math.max(0, wide), look).toBe(0)
      }
      const broken = await page.evaluate(() => 'broken' in window)
      await context.close()
      expect({ errors, broken }).toEqual({ errors: [], broken: false })
    },
  )
})

describe('what people do', () => {
  // Of three tries, and against the pace of the page just then: a machine that runs other tests beside this one is slower.
  test('a history of 10,000 steps is drawn within 200 ms', { retry: 2 }, async () => {
    const { page, context } = await open('/runs/long-history')
    await page.locator('.uplot').first().waitFor()
    await page.waitForTimeout(500)
    const { drawn, whole, pace } = await page.evaluate(() => {
      const measures = performance.getEntriesByName('jora-chart') as PerformanceMeasure[]
      const entries = performance.getEntriesByType('resource')
      const answered = entries.find(({ name }) => name.endsWith('/metrics')) as PerformanceResourceTiming
      const first = measures.find(({ detail }) => detail === 10_000)!
      const began = performance.now()
      let mixed = 1
      for (let i = 0; i < 5e7; i++) mixed = Math.imul(mixed ^ i, 0x9e3779b1)
      return {
        // A loop of 60 ms on a quiet core. `mixed` is used, so that the loop is not left out.
        pace: Math.max(1, (performance.now() - began) / 60 + (mixed === 0 ? 1e-9 : 0)),
        drawn: first.duration,
        // From the answer's last byte to the curve: parsing and React's part included.
        whole: first.startTime + first.duration - answered.responseEnd,
      }
    })
    await context.close()
    console.log(
      `10,000 steps: ${drawn.toFixed(0)} ms for the chart, ${whole.toFixed(0)} ms from the answer on, pace ${pace.toFixed(2)}`,
    )
    expect(whole / pace).toBeLessThan(200)
  })

  // Processor time of the page's main thread: a clock would also count the tests that run beside this one.
  test('the first page can be used after less than half a second of work', async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 860 } })
    const page = await context.newPage()
    const session = await context.newCDPSession(page)
    await session.send('Performance.enable', { timeDomain: 'threadTicks' })
    await page.goto(server.url)
    await page.getByRole('button', { name: 'Start the quickstart' }).waitFor()
    const ready = await page.evaluate(() => performance.now())
    const { metrics } = await session.send('Performance.getMetrics')
    const work = metrics.find(({ name }) => name === 'TaskDuration')!.value
    await context.close()
    console.log(`usable after ${(work * 1000).toFixed(0)} ms of work, ${ready.toFixed(0)} ms by the clock`)
    expect(work).toBeGreaterThan(0)
    expect(work).toBeLessThan(0.5)
  })

  test('100 events a second are followed', async () => {
    const { page, context } = await open('/runs/two-devices')
    await page.locator('.uplot').first().waitFor()
    const started = Date.now()
    for (let step = 241; step <= 540; step++) {
      server.tell(
        'two-devices',
        {
          event: 'metric',
          position: step,
          metric: {
            type: 'step',
            step,
            epoch: 1,
            loss: 0.3,
            learningRate: 1e-3,
            gradNorm: 0.2,
            tokens: 640,
            targetTokens: 70,
            samples: 8,
            stepMs: 10,
            deviceBytes: [31e6, 33e6],
          },
        },
        String(step),
      )
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, (step - 240) * 10 - (Date.now() - started))))
    }
    await page.getByText('step 540').first().waitFor({ timeout: 1000 })
    await context.close()
  })

  test('keys alone: start the quickstart, stop it, and the other viewer is told', async () => {
    const { page, context, errors } = await open('/')
    const button = page.getByRole('button', { name: 'Start the quickstart' })
    for (let i = 0; i < 20 && !(await button.evaluate((element) => element === document.activeElement)); i++)
      await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'quickstart 2' }).waitFor()
    expect(await page.evaluate(() => document.activeElement?.tagName)).toBe('H1')
    const other = await open(new URL(page.url()).pathname)
    await other.page.getByRole('heading', { name: 'quickstart 2' }).waitFor()
    await page.getByRole('button', { name: 'Stop' }).focus()
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog')
    await dialog.waitFor()
    await shoot(page, 'stop-dialog.png')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    // The focus is back where the question was asked.
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe('Stop')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Stop the run' }).focus()
    await page.keyboard.press('Enter')
    await page.locator('.state', { hasText: 'stopped' }).waitFor()
    await other.page.getByText('stopped from another window').waitFor()
    await other.page.locator('[aria-live]', { hasText: 'was stopped at step' }).first().waitFor({ state: 'attached' })
    await shoot(other.page, 'told.png')
    expect(await page.getByText('stopped from another window').count()).toBe(0)
    await other.context.close()
    await context.close()
    expect(errors).toEqual([])
  })

  test('a lost connection is shown, and taken up again', async () => {
    const { page, context } = await open('/')
    await page.locator('.run-row').first().waitFor()
    server.vanish(true)
    await page.getByText('Connection lost').waitFor()
    await shoot(page, 'lost.png')
    // Not yet there: the banner stays.
    await page.getByRole('button', { name: 'Try now' }).click()
    await page.getByText('Connection lost').waitFor()
    server.vanish(false)
    await page.getByText('Connection lost').waitFor({ state: 'detached' })
    await context.close()
  })

  test('a file with broken rows: each is named; a wrong setting is told at once', async () => {
    const { page, context, errors } = await open('/new')
    await page
      .getByLabel('File with rows')
      .setInputFiles({ name: 'broken.jsonl', mimeType: 'application/json', buffer: Buffer.from('{}') })
    await page.getByText('2 rows cannot be used').waitFor()
    await page.getByLabel('Rank', { exact: true }).fill('0')
    await page.getByText('Expected an integer ≥ 1.').waitFor()
    await shoot(page, 'errors.png', true)
    await page.getByRole('button', { name: /^reset to 16/ }).click()
    await page.getByText('Expected an integer ≥ 1.').waitFor({ state: 'detached' })
    await page.getByText('Advanced settings').click()
    await page.getByText('Find one on the Hugging Face Hub').click()
    await page.getByLabel('Search for models').fill('smol')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: /Download HuggingFaceTB/ }).click()
    await page.getByText('Choose a folder', { exact: true }).click()
    await page.getByRole('button', { name: 'models' }).first().click()
    await page.getByRole('button', { name: 'Choose SmolLM2-135M' }).waitFor()
    await shoot(page, 'new-run-unfolded.png', true)
    await context.close()
    expect(errors).toEqual([])
  })

  test('Start can be pressed only while nothing beside it is wrong', async () => {
    const { page, context, errors } = await open('/new')
    const upload = (name: string) =>
      page.getByLabel('File with rows').setInputFiles({ name, mimeType: 'application/json', buffer: Buffer.from('{}') })
    const start = () => page.getByRole('button', { name: 'Start', exact: true }).isEnabled()
    await page.getByRole('radio', { name: /tiny-llama/ }).check()
    await upload('good.jsonl')
    await expect.poll(start).toBe(true)
    await page.getByLabel('Rank', { exact: true }).fill('0')
    await page.getByText('Expected an integer ≥ 1.').waitFor()
    await expect.poll(start).toBe(false)
    await page.getByRole('button', { name: /^reset to 16/ }).click()
    await expect.poll(start).toBe(true)
    await upload('broken.jsonl')
    await page.getByText('2 rows cannot be used').waitFor()
    await expect.poll(start).toBe(false)
    await context.close()
    expect(errors).toEqual([])
  })

  test('chart: as a table, by keys, and without smoothing', async () => {
    const { page, context, errors } = await open('/runs/quickstart')
    const chart = page.getByRole('slider', { name: 'Loss by step', exact: true })
    await chart.focus()
    await page.keyboard.press('Home')
    await page
      .locator('.chart-readout', { hasText: 'step 1 ' })
      .first()
      .waitFor({ timeout: 3000 })
      .catch(() => {})
    const spoken = await chart.getAttribute('aria-valuetext')
    expect(spoken).toMatch(/^step 1: loss \d/)
    await page.getByRole('radio', { name: 'Log' }).check()
    await page.getByLabel('Show as table').first().check()
    await page.getByRole('region', { name: 'Loss by step, as a table' }).waitFor()
    await page.getByText('Publish to the Hugging Face Hub').click()
    await page.getByRole('button', { name: 'Export GGUF q4_0' }).click()
    await page.getByRole('link', { name: 'Download model-q4_0.gguf' }).waitFor()
    await shoot(page, 'run-table.png', true)
    await context.close()
    expect(errors).toEqual([])
  })

  test('playground: files are read by the server, what is cut or not read is said; a row is read in its order, and its answer is known', async () => {
    const { page, context, errors } = await open('/playground?run=quickstart')
    const file = (name: string) => ({ name, mimeType: 'application/pdf', buffer: Buffer.from('%PDF') })
    await page.getByLabel('Documents from files').setInputFiles(['rules.pdf', 'long.pdf', 'scan.pdf'].map(file))
    const about = page.getByRole('list', { name: 'About the files' })
    await about.getByText('long.pdf: the first 55 of its 3,100,000 characters are used.').waitFor()
    await about.getByText('scan.pdf is not read: scan.pdf: is scanned').waitFor()
    await page.getByLabel('Question').fill('When may ships lie here?')
    await page.getByRole('button', { name: 'Ask' }).click()
    await page.getByText('Passage 2: ships may lie here.').waitFor()
    await page.getByText('read, no. 2').waitFor()
    expect(asks.at(-1)).toMatchObject({ retrieve: 3, documents: [{ title: 'rules.pdf' }, { title: 'long.pdf' }] })
    expect(asks.at(-1)).not.toHaveProperty('asGiven')
    await shoot(page, 'playground-files.png', true)

    await page.getByRole('button', { name: 'Where is Peru?' }).click()
    await page.getByText('in the order of the row').waitFor()
    await page.getByRole('button', { name: 'Ask' }).click()
    await page.getByText('not the row’s answer, F1 25 %').waitFor()
    await page.locator('.answer-tuned').getByText('right', { exact: true }).waitFor()
    expect(asks.at(-1)).toMatchObject({ asGiven: true, expected: ['Peru is in South America.'] })
    await context.close()
    // What the server refuses, browsers tell.
    expect(errors).toEqual([expect.stringContaining('400')])
  })

  test('playground: a conversation, in which each model goes on from what it said itself', async () => {
    const { page, context, errors } = await open('/playground?run=quickstart')
    await page.getByLabel('Written into the prompt as').selectOption('chat')
    for (const question of ['Where is Peru?', 'And Kenya?', 'And Fiji?']) {
      await page.getByLabel('Question').fill(question)
      await page.getByRole('button', { name: 'Ask' }).click()
      await page.locator('.turn-asked', { hasText: question }).waitFor()
      await expect.poll(() => page.getByText(/tokens in/).count()).toBe(2)
    }
    expect(asks.at(-1)).toMatchObject({
      text: 'And Fiji?',
      history: [
        { role: 'user', content: 'Where is Peru?' },
        { role: 'assistant', content: '"Portuguese."', side: 'base' },
        { role: 'assistant', content: 'Peru is in South America.', side: 'tuned' },
        { role: 'user', content: 'And Kenya?' },
        { role: 'assistant', side: 'base' },
        { role: 'assistant', side: 'tuned' },
      ],
    })
    await shoot(page, 'playground-turns.png', true)
    await page.getByRole('button', { name: 'Begin anew' }).click()
    await page.getByLabel('Question').fill('Who?')
    await page.getByRole('button', { name: 'Ask' }).click()
    await expect.poll(() => page.getByText(/tokens in/).count()).toBe(2)
    expect(asks.at(-1)).not.toHaveProperty('history')
    await context.close()
    expect(errors).toEqual([])
  })
})
