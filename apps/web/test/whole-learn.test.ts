// From a dropped folder to a report, in a browser, by the real command; who drafts is a server that says what it is told to.
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ground } from './real-server'

const { errors, newContext, newPage, shoot, start, end } = ground()

const towns = ['Arl', 'Bex', 'Cor', 'Dun', 'Elm', 'Fir', 'Gow', 'Hay']
const months = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August']
const about = (town: string, i: number) =>
  `The town of ${town} has ${1000 + 37 * i} inhabitants, who live on both banks of a slow river. Its market is held in ${months[i]}.`
/** Files as they are dropped: of several kinds, and one that is not what its name says. */
const files = [
  ...towns.map((town, i): [string, string] => {
    const kinds: readonly [string, string][] = [
      [`guide/${town}.md`, `# ${town}\n\n${about(town, i)}`],
      [`guide/${town}.html`, `<title>${town}</title><nav>Home</nav><p>${about(town, i)}`],
      [`${town}.txt`, about(town, i)],
      [`${town}.json`, JSON.stringify([{ id: town, text: about(town, i) }])],
    ]
    return kinds[i % kinds.length]!
  }),
  ['broken.docx', 'no archive'] as [string, string],
]

let drafter: Server
const keys = new Set<string | undefined>()
beforeAll(async () => {
  drafter = createServer((request, response) => {
    let body = ''
    keys.add(request.headers.authorization)
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      const asked = (JSON.parse(body) as { messages: { content: string }[] }).messages.at(-1)!.content
      const [, town = '', n = '', month = ''] = /The town of (\w+) has (\d+)[^.]*\. .* held in (\w+)/.exec(asked) ?? []
      const rows = asked.includes('does NOT answer')
        ? [{ question: `Who is the mayor of ${town}?`, answer: '', quote: '' }]
        : [
            { question: `How many inhabitants has ${town}?`, answer: n, quote: `${town} has ${n} inhabitants` },
            { question: `When is the market of ${town}?`, answer: month, quote: `held in ${month}` },
          ]
      const answer = asked.includes('Question: How') ? n : asked.includes('Question: When') ? month : 'NOT ANSWERED'
      const content = asked.includes('Question:') ? answer : JSON.stringify(rows)
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify({ choices: [{ message: { content } }], usage: { total_tokens: 10 } }))
    })
  })
  await new Promise<void>((resolve) => drafter.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  drafter.closeAllConnections()
  await new Promise((resolve) => drafter.close(resolve))
})

test(
  'documents dropped, questions drafted and reviewed, contexts, training, a report',
  { timeout: 240_000 },
  async () => {
    const server = await start()
    const context = await newContext()
    const page = await newPage(context)
    await page.goto(server.url)
    await page.getByRole('link', { name: 'Begin with documents' }).click()
    await page.getByLabel('What it is called').fill('Towns')
    await page.getByRole('button', { name: 'Next: drop the documents' }).click()
    await page.getByRole('heading', { name: 'Towns' }).waitFor()

    const dropped = await page.evaluateHandle((all) => {
      const transfer = new DataTransfer()
      for (const [name, text] of all) transfer.items.add(new File([text], name.split('/').at(-1)!))
      return transfer
    }, files)
    await page.locator('.drop').dispatchEvent('drop', { dataTransfer: dropped })
    await page.getByText(`${files.length} files sent`, { exact: true }).waitFor()
    await page.getByRole('button', { name: 'Read the documents' }).click()
    await page.getByText('8 documents, 1 not read').waitFor({ timeout: 60_000 })
    await page.getByText('is not a zip archive').waitFor()
    await shoot(page, 'learn-1-read')

    const { port } = drafter.address() as AddressInfo
    await page.getByLabel('Address').fill(`http://127.0.0.1:${port}/v1`)
    await page.getByLabel('Model that drafts').fill('scripted')
    await page.getByLabel('Key').fill('sk-page-1')
    await page.getByRole('button', { name: 'Draft questions' }).click()
    await page.getByText(/^\d+ questions accepted, drafted by scripted$/).waitFor({ timeout: 60_000 })
    expect(keys).toEqual(new Set(['Bearer sk-page-1']))
    await shoot(page, 'learn-2-drafted')

    await page.getByRole('button', { name: /^Reject When is the market of Bex/ }).click()
    await page.getByRole('button', { name: /^Edit How many inhabitants has Arl/ }).click()
    await page.getByLabel('Question', { exact: true }).fill('How many people live in Arl?')
    await page.getByRole('button', { name: /^Done/ }).click()
    await page.getByRole('button', { name: 'Save 2 decisions' }).click()
    await page.getByRole('button', { name: 'Nothing to save' }).waitFor()

    await page.getByLabel('Distractors', { exact: true }).fill('1')
    await page.getByRole('button', { name: 'Build contexts' }).click()
    await page.locator('.context').first().waitFor({ timeout: 60_000 })
    const contexts = page.getByRole('list', { name: 'Contexts' })
    expect(await contexts.locator('.context-asked', { hasText: 'How many people live in Arl?' }).count()).toBe(1)
    await shoot(page, 'learn-3-contexts')

    const folder = (await page.locator('main code').first().textContent()) ?? ''
    const stepsDone = (): number[] => {
      const file = join(folder, 'adapter/metrics.jsonl')
      const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []
      return lines.flatMap((line) => /"type":"step","step":(\d+)/.exec(line)?.slice(1).map(Number) ?? [])
    }
    await page.getByLabel('Times through all contexts').fill('8')
    await page.getByRole('button', { name: 'Train', exact: true }).click()
    // Stopped in the middle, and gone on with: no step is done twice.
    await expect.poll(() => stepsDone().length, { timeout: 60_000, interval: 20 }).toBeGreaterThan(0)
    await page.getByRole('button', { name: /^Cancel/ }).click()
    await page.getByText('cancelled', { exact: true }).waitFor({ timeout: 30_000 })
    await page.getByRole('button', { name: 'Train, or go on' }).click()
    await page.locator('#train .section-status', { hasText: /\d+ steps? in/ }).waitFor({ timeout: 90_000 })
    const steps = stepsDone()
    expect(steps).toEqual(steps.map((_, i) => i + 1))
    expect(existsSync(join(folder, 'adapter-before'))).toBe(false)
    await page.getByRole('button', { name: 'Ask what was held out' }).click()
    await page.locator('.answer-row').first().waitFor({ timeout: 90_000 })
    await page.locator('.answer-row').first().getByText('The passages it read').click()
    await page.locator('.answer-row .source').first().waitFor()
    await shoot(page, 'learn-4-report')
    await page.setViewportSize({ width: 390, height: 844 })
    // Nothing is wider than a phone.
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390)
    await shoot(page, 'learn-4-phone')
    expect(errors).toEqual([])
    await context.close()
    await end(server)
  },
)
