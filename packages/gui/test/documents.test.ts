// Files of the playground: read on the server as `jora learn` reads them, and what cannot be read is named.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Space, type TestServer } from './harness'

const isBuilt = existsSync(join(import.meta.dirname, '../dist/read-worker.js'))
let space: Space
let server: TestServer
beforeAll(async () => {
  space = new Space()
  server = await space.start({ uploadLimitBytes: 3_000_000 })
})
beforeEach((ctx) => ctx.skip(!isBuilt, 'needs the built package (npm run build)'))
afterAll(() => space.remove())

const read = (name: string, text: string) => server.client.readDocuments(name, new Blob([text]))

test('a page without its menus, a table with its header, a text in two bytes a letter', async () => {
  const html = '<nav>Menu</nav><main><h1>Rules</h1><p>Ships lie here.</p></main>'
  const table = 'quay;ships\n7;40\n8;2\n'
  expect(await read('rules.html', html)).toMatchObject({
    documents: [{ text: '# Rules\n\nShips lie here.', characters: 24 }],
    total: 1,
    skipped: [],
  })
  expect((await read('quays.csv', table)).documents[0]!.text).toMatch(/\| quay \| ships \|\n.*\n\| 7 \| 40 \|/)
  const wide = await server.client.readDocuments('note.txt', new Blob([Buffer.from('\uFEFFGrüße', 'utf16le')]))
  expect(wide.documents).toEqual([{ title: null, text: 'Grüße', characters: 5 }])
})

test('what is longer than is taken says how long it is; what cannot be read says why, by its name', async () => {
  const { documents } = await read('long.txt', 'word '.repeat(500_000))
  expect(documents[0]!.text.length).toBe(2_000_000)
  expect(documents[0]!.characters).toBeGreaterThan(2_400_000)
  await expect(read('old.doc', 'x')).rejects.toThrow(/old\.doc.*save it as \.docx/)
  await expect(read('scan.pdf', 'not a PDF')).rejects.toThrow(/scan\.pdf/)
  await expect(read('big.txt', 'x'.repeat(3_000_001))).rejects.toThrow('larger than')
  await expect(read('empty.txt', '')).rejects.toThrow('empty.txt is empty')
})
