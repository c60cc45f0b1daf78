// Routes on runs: what there is, what is done with them, what they tell.
import { open } from 'node:fs/promises'
import { Hono, type Context } from 'hono'
import { createRunSchema, routes, runLabelSchema, type LogPiece, type RunDetail } from '../../api'
import { inRun, listFiles, sendFile, sendZip } from '../../files/run-files'
import { checkSettings } from '../../runs/check-settings'
import { readColumns } from '../../runs/columns'
import { comparisonOf } from '../../runs/comparison'
import { logFile } from '../../runs/gui-record'
import type { ManagedRun } from '../../runs/managed-run'
import { isId } from '../../runs/metrics-file'
import { queryCount, queryText, readJson } from '../body'
import { Failure } from '../failure'
import { RunFeed } from '../run-feed'
import type { Services } from '../services'

const [mostCompared, logPieceBytes] = [8, 64 * 1024]

export function runRoutes(services: Services): Hono {
  const { runs, roots, models, metrics, streams } = services
  const app = new Hono()
  const idOf = (c: Context): string => c.req.param('id') ?? ''

  app.get(routes.runs.path, (c) => c.json({ runs: runs.list() }))
  app.post(routes.createRun.path, async (c) => {
    const request = await readJson(c, createRunSchema)
    if (request.kind === 'quickstart') return c.json(await runs.create(request), 201)
    const { settings } = await checkSettings(request.settings, roots, models)
    return c.json(await runs.create({ ...request, settings }), 201)
  })
  app.get(routes.run.path, async (c) => c.json(await detailOf(runs.get(idOf(c)))))
  app.delete(routes.removeRun.path, async (c) => c.json(await runs.remove(idOf(c))))
  app.patch(routes.labelRun.path, async (c) => c.json(await runs.label(idOf(c), await readJson(c, runLabelSchema))))
  app.delete(routes.deleteRun.path, async (c) => c.json(await runs.delete(idOf(c))))
  app.post(routes.pauseRun.path, async (c) => c.json(await runs.pause(idOf(c))))
  app.post(routes.resumeRun.path, async (c) => {
    const { settings } = runs.get(idOf(c)).record ?? {}
    // Files may have gone since, or the roots be others.
    if (settings) await checkSettings(settings, roots, models)
    return c.json(await runs.resume(idOf(c)))
  })
  app.post(routes.stopRun.path, async (c) => c.json(await runs.stop(idOf(c))))

  app.get(routes.runEvents.path, async (c) => {
    const run = runs.get(idOf(c))
    const from = c.req.header('last-event-id') ?? c.req.query('from') ?? '0'
    if (!isId(from)) throw new Failure('bad_request', 'from is not an id of an event.')
    streams.checkRoom()
    return streams.answer(await RunFeed.open(run, runs, metrics, from))
  })
  app.get(routes.metrics.path, async (c) => {
    return c.json(await readColumns(runs.get(idOf(c)).metricsPath, queryCount(c, 'from') ?? 0))
  })
  app.get(routes.log.path, async (c) => c.json(await readLog(runs.get(idOf(c)).folder, queryCount(c, 'from'))))
  app.get(routes.runFiles.path, async (c) => c.json({ files: await listFiles(runs.get(idOf(c)).folder) }))
  app.get(routes.runFile.path, (c) => sendFile(runs.get(idOf(c)).folder, c.req.param('path')))
  app.get(routes.download.path, (c) => {
    const run = runs.get(idOf(c))
    return sendZip(run.folder, run.toRun().name, c.req.query('path'))
  })
  app.get(routes.compare.path, async (c) => {
    const ids = [...new Set(queryText(c, 'ids').split(','))].slice(0, mostCompared)
    return c.json(await comparisonOf(ids.map((id) => runs.get(id))))
  })
  return app
}

async function detailOf(run: ManagedRun): Promise<RunDetail> {
  await run.refresh()
  return {
    run: run.toRun(),
    settings: run.record?.settings ?? null,
    record: run.json ?? null,
    quickstart: await run.readQuickstart(),
    adapter: run.adapter,
  }
}

/** A run's log from byte `from` on; of a run of a terminal there is none. */
async function readLog(folder: string, from: number | undefined): Promise<LogPiece> {
  const path = await inRun(folder, logFile).catch(() => undefined)
  const file = path === undefined ? undefined : await open(path, 'r')
  if (!file) return { from: 0, next: 0, bytes: 0, text: '' }
  try {
    const { size } = await file.stat()
    const begin = Math.min(from ?? Math.max(0, size - logPieceBytes), size)
    const bytes = Buffer.alloc(Math.min(logPieceBytes, size - begin))
    const { bytesRead } = await file.read(bytes, 0, bytes.byteLength, begin)
    const whole = wholeCharacters(bytes.subarray(0, bytesRead))
    return { from: begin, next: begin + whole.byteLength, bytes: size, text: whole.toString('utf8') }
  } finally {
    await file.close()
  }
}

/** Without the bytes of a character that is cut at the end. */
function wholeCharacters(bytes: Buffer): Buffer {
  let end = bytes.byteLength
  while (end > 0 && bytes.byteLength - end < 3 && (bytes[end - 1]! & 0xc0) === 0x80) end--
  const lead = end > 0 ? bytes[end - 1]! : 0
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1
  return end > 0 && end - 1 + length > bytes.byteLength ? bytes.subarray(0, end - 1) : bytes
}
