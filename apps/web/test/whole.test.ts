// The whole of it, as a person who never saw a terminal meets it: the real command, its server, its runs, in a browser.
import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { expect, test } from 'vitest'
import { ground } from './real-server'

const { errors, newContext, newPage, shoot, start: startServer, end: endServer } = ground()
const state = (page: Page, text: string) => page.locator('main h1').locator('..').getByText(text, { exact: true })
/** Steps done, as the page shows them. */
const stepsOf = async (page: Page): Promise<number> =>
  Number(/(\d+) \/ \d+/.exec((await page.getByLabel('Progress').textContent()) ?? '')?.[1] ?? 0)

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
