// What is read of documents: all in their order, or the best passages of those that are long.
import { expect, test } from 'vitest'
import type { Device } from '@jora/tensor'
import { Passages } from './passages'

/** A token a word; the device is that of a sentence encoder, which words alone do not ask for. */
const passages = new Passages(undefined as unknown as Device, {
  encode: (text: string) => Array.from(text.match(/\S+/g) ?? [], (_, i) => i),
})
const filler = Array.from(
  { length: 40 },
  (_, i) => `## Quay ${i}\n\n${`Ships lie at quay ${i} from dusk on. `.repeat(12)}`,
)

test('a long document is cut along its headings, a short one stays whole; the best are read', async () => {
  const documents = [
    { title: 'Rules', text: `# Harbour\n\n${filler.join('\n\n')}\n\n## Fees\n\nThe zeppelin pays ninety crowns.` },
    { text: 'Another zeppelin is moored nowhere.' },
  ]
  const found = await passages.find({ text: 'What does a zeppelin pay?', retrieve: 2 }, documents, () => {})
  expect(found[0]!.score!).toBeGreaterThanOrEqual(found[1]!.score!)
  const [long, short] = [...found].sort((a, b) => a.index - b.index)
  expect(short).toMatchObject({ index: 1, isPart: false, text: 'Another zeppelin is moored nowhere.' })
  expect(long).toMatchObject({ index: 0, isPart: true, text: expect.stringContaining('ninety crowns') })
  expect(long!.title).toContain('Rules')
  expect(long!.text.length).toBeLessThan(documents[0]!.text.length / 5)
})

test('documents of a row are read as they are, in their order', async () => {
  const documents = [{ text: filler.join('\n\n') }, { title: 'B', text: 'zeppelin' }, { text: 'C' }]
  const found = await passages.find({ text: 'zeppelin', retrieve: 1, asGiven: true }, documents, () => {})
  expect(found).toEqual(documents.map((document, index) => ({ ...document, index, isPart: false })))
})
