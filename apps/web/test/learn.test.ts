// From documents to a model in a real browser: files dropped, two thousand drafts reviewed, contexts and answers looked at.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { hasChromium, needsChromium } from './browser'
import { openBuiltPage, type BuiltPage } from './built-page'
import { created, sent, stages, type FakeServer } from './fake-server'

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

async function open(path: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 }, reducedMotion: 'reduce' })
  await page.goto(server.url + path)
  return page
}

/** Where pictures go for people to look at; without it none is taken. */
const shots = process.env.JORA_SCREENSHOTS

/** A picture at the width of a desk and of a phone. */
async function shoot(page: Page, name: string): Promise<void> {
  if (shots === undefined) return
  for (const [look, width] of [
    ['light', 1280],
    ['phone', 390],
  ] as const) {
    await page.setViewportSize({ width, height: 860 })
    await page.screenshot({ path: join(shots, `${name}-${look}.png`), fullPage: true })
  }
  await page.setViewportSize({ width: 1280, height: 860 })
}

test('from the first screen to a project, whose documents are sent and read', async () => {
  const page = await open('/')
  await page.getByRole('link', { name: 'Begin with documents' }).click()
  await page.getByLabel('What it is called').fill('Begun')
  await page.getByRole('button', { name: 'Next: drop the documents' }).click()
  await page.getByRole('heading', { name: 'Begun' }).waitFor()
  await page.getByLabel('Choose files').setInputFiles([
    { name: 'guide.md', mimeType: 'text/markdown', buffer: Buffer.from('# Guide') },
    { name: '.DS_Store', mimeType: 'text/plain', buffer: Buffer.from('x') },
  ])
  await expect.poll(() => sent).toEqual(['guide.md'])
  // Dropped as a browser does it.
  const data = await page.evaluateHandle(() => {
    const transfer = new DataTransfer()
    transfer.items.add(new File(['two'], 'two.txt'))
    return transfer
  })
  await page.locator('.drop').dispatchEvent('drop', { dataTransfer: data })
  await expect.poll(() => sent).toEqual(['guide.md', 'two.txt'])
  await page.close()
})

test('two thousand drafts: edited, rejected, found and saved, and scrolled with few rows at a time', async () => {
  const page = await open('/learn/handbook')
  await page.locator('.review-row').first().waitFor()
  await page.getByText('2,000 of 2,000 shown').waitFor()
  // Rows are there only near where one looks, at any place of the list.
  const list = page.getByRole('region', { name: 'List of questions' })
  for (const [share, quay] of [
    [1, /quay 1999 of/],
    [0.5, /quay (9[5-9]|10[0-5])\d of/],
    [0, /quay 0 of/],
  ] as const) {
    const found = async () => {
      await list.evaluate((element, at) => element.scrollTo(0, at * element.scrollHeight), share)
      return page.getByText(quay).count()
    }
    await expect.poll(found).toBeGreaterThan(0)
    await expect.poll(() => page.locator('.review-row').count()).toBeLessThan(120)
  }

  await page.getByLabel('Search questions').fill('quay 7 of')
  await expect.poll(() => page.locator('.review-row').count()).toBe(1)
  await page.getByRole('button', { name: /^Edit How many ships may lie at quay 7 of/ }).click()
  await page.getByLabel('Answer', { exact: true }).fill('Seven at most.')
  await page.getByRole('button', { name: /^Done/ }).click()
  await page.getByText('Seven at most.').waitFor()
  await page.getByRole('button', { name: /^Reject/ }).click()
  await page.getByLabel('Search questions').fill('')
  await page.getByText('1,899 accepted', { exact: false }).waitFor()
  await page.getByRole('button', { name: 'Save 1 decision' }).click()
  await page.getByRole('button', { name: 'Nothing to save' }).waitFor()
  await page.getByRole('radio', { name: 'Not reviewed' }).check()
  await page.getByText('1,999 of 2,000 shown').waitFor()
  await page.close()
})

test('the report is filtered and searched, and leads to the passages', async () => {
  const page = await open('/learn/handbook')
  await page.locator('.answer-row').first().waitFor()
  const report = page.locator('#report')
  await report.getByRole('radio', { name: 'Wrong' }).check()
  await report.getByText('24 of 48 questions').waitFor()
  await report.getByLabel('Search answers').fill('quay 13 ')
  await expect.poll(() => report.locator('.answer-row').count()).toBe(1)
  await report.getByText('The passages it read').click()
  await report.locator('.source-golden').waitFor()
  expect(await report.locator('.source').count()).toBe(5)
  const contexts = page.locator('#contexts')
  await contexts.locator('summary').first().waitFor()
  expect(await contexts.locator('.context-bar').first().getAttribute('aria-label')).toBe(
    '5 documents, none of which answers',
  )
  expect(await contexts.locator('.context-bar').nth(1).getAttribute('aria-label')).toBe(
    '5 documents, the fourth answers',
  )
  await page.close()
})

test('a run is evaluated on a file of questions', async () => {
  const page = await open('/runs/quickstart')
  await page.getByText('Evaluate it on a file of questions').click()
  const form = page.locator('form', { has: page.locator('.browser') })
  await form.locator('button.browser-open').first().click()
  await form.getByRole('button', { name: 'Choose handbook.jsonl' }).click()
  await page.getByLabel('Questions at most').fill('50')
  await page.getByRole('button', { name: 'Evaluate', exact: true }).click()
  await page.getByText('exactly right 56 % · F1 71 % · loss 0.62').waitFor()
  const answers = page.getByRole('link', { name: 'All answers' })
  expect(await answers.getAttribute('href')).toContain('evaluations/20261129.jsonl')
  await page.close()
})

test('the model itself is trained: what an adapter has is not asked for, and what is chosen is sent', async () => {
  const page = await open('/new')
  await page.getByRole('radio', { name: /tiny-llama/ }).check()
  await page.getByRole('radio', { name: /Countries/ }).check()
  await page.getByText('Advanced settings').click()
  const field = (label: string) => page.getByLabel(label, { exact: true })
  expect(await field('What is trained').inputValue()).toBe('lora')
  await field('Rank').waitFor()
  expect(await field('Layers trained whole').count()).toBe(0)
  await field('What is trained').selectOption('freeze')
  await field('Layers trained whole').fill('3')
  await field('Numbers of the saved model').selectOption('bf16')
  expect(await field('Rank').count()).toBe(0)
  await field('Stretch positions').selectOption('yarn')
  await field('Stretch by').fill('4')
  await field('From short to long').selectOption('first')
  await page.locator('#check .section-status', { hasText: 'ready to start' }).waitFor()
  await shoot(page, 'full-training')
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await page.waitForURL(/\/runs\//)
  expect(created.at(-1)).toMatchObject({
    settings: {
      finetuningType: 'freeze',
      trainableLayers: 3,
      saveDtype: 'bf16',
      ropeScaling: 'yarn',
      ropeScalingFactor: 4,
      lengthCurriculum: 'first',
    },
  })
  await page.close()
})

test('a run that has trained the model itself: its model is downloaded, exported and published', async () => {
  const page = await open('/runs/whole-model')
  await page.getByRole('link', { name: 'Download the model' }).waitFor()
  expect(await page.getByRole('heading', { name: 'Merged model' }).count()).toBe(0)
  expect(await page.getByRole('link', { name: 'Download the adapter' }).count()).toBe(0)
  await shoot(page, 'run-whole-model')
  await page.close()
})

test('a table whose columns are called otherwise: they are shown with values, chosen, and remembered with the run', async () => {
  const page = await open('/new')
  await page.getByRole('radio', { name: /tiny-llama/ }).check()
  await page
    .getByLabel('File with rows')
    .setInputFiles({ name: 'strange.csv', mimeType: 'text/csv', buffer: Buffer.from('Nr;Frage') })
  const mapper = page.getByRole('list', { name: 'Columns of the file' })
  await mapper.getByText('What is the capital of Kenya?').waitFor()
  // Guessed by their names; the rest is chosen.
  expect(await mapper.getByLabel('Frage is used as').inputValue()).toBe('question')
  expect(await mapper.getByLabel('Antwort der Redaktion is used as').inputValue()).toBe('answer')
  expect(await mapper.getByLabel('Anmerkung, kurz is used as').isDisabled()).toBe(true)
  await shoot(page, 'mapper')
  await page.getByRole('button', { name: 'Use these columns' }).click()
  await page.getByRole('cell', { name: 'got nothing; expected the answer' }).waitFor()
  await page.getByRole('row', { name: /^31/ }).waitFor()
  expect(await page.getByRole('button', { name: 'Start', exact: true }).isEnabled()).toBe(false)
  await page.getByText(/^Columns: question=Frage/).click()
  await mapper.getByLabel('Quelle is used as').selectOption('context')
  await page.getByRole('button', { name: 'Use these columns' }).click()
  await page.getByText('812 rows of documents with questions (RAFT)').waitFor()
  await page.getByRole('button', { name: 'Start', exact: true }).click()
  await page.waitForURL(/runs/)
  expect(created.at(-1)).toMatchObject({
    settings: { columns: 'question=Frage,answer=Antwort der Redaktion,context=Quelle' },
  })
  await page.close()
})

test('questions of a project from such a table', async () => {
  const page = await open('/learn/small')
  await page.getByText('Draft or drop questions again').click()
  await page.getByRole('radio', { name: 'I have a file' }).check()
  await page
    .getByLabel('File with questions')
    .setInputFiles({ name: 'strange.csv', mimeType: 'text/csv', buffer: Buffer.from('Nr;Frage') })
  await page.getByRole('button', { name: 'Use these columns' }).click()
  await page.getByRole('row', { name: /^31/ }).waitFor()
  await page.getByRole('button', { name: 'Go on without these rows' }).click()
  const columns = 'question=Frage,answer=Antwort der Redaktion'
  await expect.poll(() => stages.at(-1)).toMatchObject({ until: 'draft', columns })
  await page.close()
})

test('a run is renamed, noted of, found by its note, and deleted with its files', async () => {
  const page = await open('/runs/rank-32')
  await page.getByText('Rename it, or note something').click()
  await page.getByLabel('Name', { exact: true }).fill('Countries, wide')
  await page.getByLabel('Note').fill('Best so far; shown on Monday.')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { name: 'Countries, wide' }).waitFor()
  await shoot(page, 'run-note')
  await page.goto(server.url)
  await page.getByLabel('Search runs').fill('monday')
  await page.getByText(/^1 of \d+ runs$/).waitFor()
  await shoot(page, 'run-search')
  await page.getByRole('link', { name: 'Countries, wide' }).click()
  await page.getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('dialog').getByText('jora-runs/rank-32').waitFor()
  await page.getByRole('button', { name: 'Delete it with its files' }).click()
  await page.waitForURL(server.url)
  await expect.poll(() => server.runs().some(({ id }) => id === 'rank-32')).toBe(false)
  await page.close()
})
