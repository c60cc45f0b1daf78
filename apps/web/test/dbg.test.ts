import { test } from 'vitest'
import { build } from 'vite'
import { launch } from './browser'
import { startFakeServer } from './fake-server'
test('dbg', async () => {
  await build({ root: import.meta.dirname + '/..', logLevel: 'error', build: { outDir: '/tmp/jora-dbg', emptyOutDir: true } })
  const server = await startFakeServer('/tmp/jora-dbg')
  const browser = await launch()
  const page = await browser.newPage()
  page.on('console', (m) => console.log(m.text()))
  page.on('pageerror', (m) => console.log(String(m)))
  await page.goto(server.url)
  await page.getByRole('button', { name: 'Start the quickstart' }).click()
  await page.getByRole('heading', { name: 'quickstart 2' }).waitFor()
  await page.getByRole('button', { name: 'Stop' }).focus()
  console.log(await page.evaluate(() => document.activeElement?.outerHTML))
  await page.keyboard.press('Enter')
  await page.waitForTimeout(500)
  console.log(await page.evaluate(() => [document.activeElement?.outerHTML, document.querySelector('dialog')?.outerHTML]))
  await browser.close(); await server.close()
})
