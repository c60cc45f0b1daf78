// Columns of a file, whole or cut, have the positions that the stream of its lines has.
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readColumns } from './columns'
import { MetricsFiles, positionOf } from './metrics-file'

const dir = mkdtempSync(join(tmpdir(), 'jora-columns-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
const path = join(dir, 'metrics.jsonl')
const step = (n: number, more: object = {}) => `${JSON.stringify({ type: 'step', step: n, loss: n / 10, ...more })}\n`

test('lines become columns of equal length, with null where a line says nothing', async () => {
  expect(await readColumns(join(dir, 'none'), 0)).toMatchObject({ from: 0, next: '0', steps: { step: [] } })
  writeFileSync(path, step(1) + step(2, { deviceBytes: [5, 6] }) + step(3, { loss: null }))
  appendFileSync(
    path,
    '{"type":"eval","step":3,"loss":1,"perplexity":2.7}\n{"type":"checkpoint","step":3,"path":"checkpoints/x"}\n',
  )
  const { steps, evals, checkpoints, next } = await readColumns(path, 0)
  expect(steps).toMatchObject({
    step: [1, 2, 3],
    loss: [0.1, 0.2, null],
    epoch: [null, null, null],
    deviceBytes: [
      [null, 5, null],
      [null, 6, null],
    ],
  })
  expect(evals).toEqual({ step: [3], loss: [1], perplexity: [2.7], exactMatch: [null] })
  expect(checkpoints).toEqual([{ step: 3, path: 'checkpoints/x' }])
  expect(next).toMatch(/^5-/)
  expect((await readColumns(path, 2)).steps.step).toEqual([3])
})

test('what a kill cut short is no line, and counts for neither', async () => {
  appendFileSync(path, '{"type":"step","st\n')
  appendFileSync(path, step(4) + step(5).slice(0, 9))
  const { steps, next } = await readColumns(path, 0)
  expect(steps.step).toEqual([1, 2, 3, 4])
  const held = await new MetricsFiles().hold(path)
  expect(held.lines).toHaveLength(6)
  expect(positionOf(held.lines, next)).toBe(6)
  expect([positionOf(held.lines, '6-x'), positionOf(held.lines, '7'), positionOf(held.lines, '0')]).toEqual([
    undefined,
    undefined,
    0,
  ])
  held.release()
})
