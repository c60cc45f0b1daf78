// A run's course for other programs: TensorBoard's event files, CSV, a page.
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { ConfigError, eventFileName, readRun, runCsv, runHtml, seriesOf, tensorboardEvents } from '../src/index'
import { tensorboardEvent, tensorboardRestart } from '../src/logs/tensorboard'

const folder = join(mkdtempSync(join(tmpdir(), 'jora-logs-')), 'a <run>')
afterAll(() => rmSync(join(folder, '..'), { recursive: true }))

const step = (n: number, loss: number | null) => ({
  type: 'step',
  step: n,
  epoch: n / 4,
  loss,
  learningRate: 1e-4,
  gradNorm: 0.5,
  tokens: 100,
  targetTokens: 10,
  samples: 2,
  stepMs: 500,
  deviceBytes: [1],
})
const lines = [
  { type: 'eval', step: 0, loss: 3, perplexity: 20 },
  step(1, 2),
  step(2, null),
  { type: 'eval', step: 2, loss: 1.5, perplexity: 4.5, exactMatch: 0.25, answers: 4, answerSeconds: 1 },
  step(3, 1),
]

async function run() {
  const { mkdir } = await import('node:fs/promises')
  await mkdir(folder, { recursive: true })
  writeFileSync(join(folder, 'metrics.jsonl'), `${lines.map((line) => JSON.stringify(line)).join('\n')}\n{"type":"st`)
  const record = { startedAt: '2026-01-02T03:04:05.000Z', totalSteps: 8, settings: { loraR: 16, note: '<b>&"' } }
  writeFileSync(join(folder, 'run.json'), JSON.stringify(record))
  return readRun(folder)
}

test('is read while it goes on, and a folder without a run is named', async () => {
  const record = await run()
  expect(record).toMatchObject({
    name: 'a <run>',
    totalSteps: 8,
    snapshot: { state: 'running', step: 3, evalLoss: 1.5 },
  })
  expect(record.snapshot.best).toEqual({ step: 2, loss: 1.5 })
  await expect(readRun(tmpdir())).rejects.toThrow(ConfigError)
})

test('series have what was measured, and nothing that is not finite', async () => {
  const series = seriesOf(await run())
  expect(series.get('train/loss')).toEqual([
    { step: 1, value: 2 },
    { step: 3, value: 1 },
  ])
  expect(series.get('train/tokens_per_second')?.[0]?.value).toBe(200)
  expect(series.get('eval/exact_match')).toEqual([{ step: 2, value: 0.25 }])
})

test('CSV: a line a step, empty where nothing was measured', async () => {
  const [head = '', ...rows] = runCsv(await run())
    .trimEnd()
    .split('\n')
  const column = head.split(',').indexOf('eval/loss')
  expect(rows.map((row) => row.split(',')[0])).toEqual(['0', '1', '2', '3'])
  expect(rows.map((row) => row.split(',')[column])).toEqual(['3', '', '1.5', ''])
})

test('the page has curves, figures and settings, and none of its texts is markup', async () => {
  const page = runHtml(await run())
  expect(page).toContain('<title>a &lt;run&gt;</title>')
  expect(page).toContain('&lt;b&gt;&amp;&quot;')
  expect(page).not.toMatch(/<script|<b>|https?:/)
  expect(page.match(/<polyline/g)!.length).toBeGreaterThanOrEqual(3)
  expect(page).toContain('1.5 at step 2')
})

/** CRC-32C, bit by bit, masked. */
function maskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let k = 0; k < 8; k++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  crc = ~crc >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0
}

test('event files are records with right checksums, of scalars at their steps', async () => {
  // The checksum of RFC 3720's example.
  const known = maskedCrc(Uint8Array.from('123456789', (c) => c.charCodeAt(0)))
  expect((((known - 0xa282ead8) >>> 0) << 15) | (((known - 0xa282ead8) >>> 0) >>> 17)).toBe(0xe3069283 | 0)
  const record = await run()
  expect(eventFileName(record)).toBe('events.out.tfevents.1767323045.jora')
  const file = tensorboardEvents(record)
  const view = new DataView(file.buffer)
  const texts: string[] = []
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true))
    expect(view.getUint32(at + 8, true)).toBe(maskedCrc(file.subarray(at, at + 8)))
    const data = file.subarray(at + 12, at + 12 + length)
    expect(view.getUint32(at + 12 + length, true)).toBe(maskedCrc(data))
    texts.push(Buffer.from(data).toString('latin1'))
    at += 16 + length
  }
  expect(texts[0]).toContain('brain.Event:2')
  expect(texts[1]).toContain('| loraR | 16 |')
  expect(texts.filter((text) => text.includes('train/loss'))).toHaveLength(2)
  // The last byte of each is that of its value: 1 is 0x3f800000.
  expect(texts.findLast((text) => text.includes('train/loss'))!.endsWith('\u0000\u0000\u0080\u003f')).toBe(true)
})

test('TensorBoard reads the files of a run that was killed and goes on, no step twice', async () => {
  const record = await run()
  const began = tensorboardEvents({ ...record, steps: [], evals: [] })
  const seconds = record.startedAt! / 1000
  const first = [...record.steps, ...record.evals].map((event, i) => tensorboardEvent(event, seconds + i))
  // Killed within a record, after a step that the checkpoint does not have.
  const lost = { ...record.steps[0]!, step: 4, loss: 9 }
  const whole = tensorboardEvent(lost, seconds + 9)
  const cut = whole.subarray(0, whole.length - 5)
  const again = { steps: record.steps.filter(({ step }) => step <= 2), evals: record.evals }
  const further = [3, 4, 5].map((n) =>
    tensorboardEvent({ ...record.steps[0]!, step: n, loss: n / 2 }, seconds + 20 + n),
  )
  const parts = [
    [began, ...first, cut],
    [tensorboardRestart({ ...record, ...again }, 2, seconds + 20), ...further],
  ]
  const files = parts.map((each, i) => [
    eventFileName({ startedAt: record.startedAt! + 20_000 * i }),
    Buffer.concat(each).toString('base64'),
  ])
  const goldens = join(import.meta.dirname, 'goldens')
  await expect(`${JSON.stringify(Object.fromEntries(files), undefined, 1)}\n`).toMatchFileSnapshot(
    join(goldens, 'tensorboard-files.json'),
  )
  const source = readFileSync(join(goldens, 'tensorboard-files.json'))
  const golden = JSON.parse(readFileSync(join(goldens, 'tensorboard.json'), 'utf8')) as {
    files: string
    after: Record<string, [number, number | string][]>[]
  }
  expect(golden.files, 'make_tensorboard_golden.py was not run on these files').toBe(
    createHash('sha256').update(source).digest('hex'),
  )
  const [killed, resumed] = golden.after as [(typeof golden.after)[0], (typeof golden.after)[0]]
  const expected = (series: ReturnType<typeof seriesOf>) =>
    Object.fromEntries(
      [...series].map(([tag, points]) => [tag, points.map(({ step, value }) => [step, Math.fround(value)])]),
    )
  const text = { 'settings/text_summary': [[0, '| setting | value |\n|---|---|\n| loraR | 16 |\n| note | <b>&" |']] }
  const seen = expected(seriesOf({ steps: [...record.steps, lost], evals: record.evals }))
  expect(seen['train/tokens_per_second']!.pop()![0]).toBe(4)
  expect(killed).toEqual({ ...seen, ...text })
  const steps = [...again.steps, ...[3, 4, 5].map((n) => ({ ...record.steps[0]!, step: n, loss: n / 2 }))]
  expect(resumed).toEqual({ ...expected(seriesOf({ steps, evals: record.evals })), ...text })
})
