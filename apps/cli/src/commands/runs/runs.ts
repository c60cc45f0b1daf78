// jora runs: lists training runs, compares them, plots their loss, and writes one for TensorBoard, as CSV or as a page.
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import {
  eventFileName,
  metricsFile,
  readRun,
  runCsv,
  runHtml,
  seriesOf,
  tensorboardEvents,
  type RunRecord,
} from '@jora/lora'
import { nameOf, settings as table, type Setting } from '@jora/lora/settings'
import { makeFolder, writeFileAtomic } from '@jora/tensor/files'
import { UsageError } from '../../errors'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import { integer, text, toggle, type ValuesOf } from '../../flags/flag'
import type { Session } from '../../io'
import { percent } from '../../ui/format'
import { plot } from '../../ui/plot'
import { styleFor } from '../../ui/style'
import { columns } from '../../ui/table'

const flags = {
  compare: toggle('the settings in which these runs differ'),
  plot: toggle('the loss over the steps, in characters'),
  series: text('what is plotted, such as eval/loss or eval/f1 (default: train/loss)', 'NAME'),
  columns: integer('width of the plot, in characters (default: of the terminal)', 30),
  csv: text('write the run as CSV, a line a step', 'FILE'),
  tensorboard: text('write the runs as event files, each into a folder of its name under DIR', 'DIR'),
  html: text('write the run as one page, to be sent to somebody', 'FILE'),
}
type Values = ValuesOf<typeof flags>

export function registerRuns(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'runs',
    flags,
    argument: { name: 'folders', help: 'a run’s folder, a folder of such, or several with commas between' },
    examples: ['runs my-adapter --plot', 'runs my-adapter,my-other-adapter --compare', 'runs . --tensorboard events'],
    run: runsCommand,
  })
}

const isRun = (folder: string) =>
  stat(join(folder, metricsFile)).then(
    (found) => found.isFile(),
    () => false,
  )

/** The runs in folders: themselves, or their children. */
async function runsIn(folders: readonly string[]): Promise<RunRecord[]> {
  const found: string[] = []
  for (const folder of folders) {
    if (await isRun(folder)) {
      found.push(folder)
      continue
    }
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => {
      throw new UsageError(`${folder}: no such folder`)
    })
    const children = entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name))
    const runs: string[] = []
    for (const child of children.sort()) if (await isRun(child)) runs.push(child)
    if (runs.length === 0)
      throw new UsageError(`${folder} holds no run: ${metricsFile} is in neither it nor a folder in it`)
    found.push(...runs)
  }
  return Promise.all(found.map(readRun))
}

async function runsCommand(values: Values, { io, json, argument }: CommandContext<typeof flags>): Promise<void> {
  const runs = await runsIn(argument.split(',').filter(Boolean))
  for (const [flag, file] of [
    ['csv', values.csv],
    ['html', values.html],
  ] as const)
    if (file !== undefined && runs.length > 1)
      throw new UsageError(`--${flag} takes one run, and ${argument} holds ${runs.length}`)
  const style = styleFor(io.stdout, io.env)
  const say = (line: string) => io.stdout.write(`${line}\n`)
  if (json) say(JSON.stringify(runs.map(summaryOf)))
  else {
    const heads = ['run', 'state', 'steps', 'loss', 'held out', 'best', 'scores'].map((head) => style.dim(head))
    for (const line of columns([heads, ...runs.map((run) => rowOf(run))])) say(line)
    if (values.compare) for (const line of differences(runs)) say(line)
    if (values.plot || values.series !== undefined) {
      const series = values.series ?? 'train/loss'
      for (const run of runs) {
        const known = seriesOf(run)
        const points = known.get(series)
        if (!points)
          throw new UsageError(`--series: ${run.name} has no ${series}; it has ${[...known.keys()].join(', ')}`)
        say(`\n${style.bold(run.name)}  ${series}`)
        const width = values.columns ?? Math.min(120, io.stdout.columns - 1)
        for (const line of plot(points, { width, height: 12 })) say(line)
      }
    }
  }
  if (values.csv !== undefined) await writeFileAtomic(values.csv, runCsv(runs[0]!))
  if (values.html !== undefined) await writeFileAtomic(values.html, runHtml(runs[0]!))
  if (values.tensorboard !== undefined)
    for (const run of runs) {
      const folder = join(values.tensorboard, run.name)
      await makeFolder(folder)
      await writeFileAtomic(join(folder, eventFileName(run)), tensorboardEvents(run))
    }
  for (const path of [values.csv, values.html, values.tensorboard])
    if (path !== undefined) io.stderr.write(`wrote ${path}\n`)
}

const number = (value: number | null | undefined): string => (typeof value === 'number' ? value.toFixed(4) : '–')

function rowOf(run: RunRecord): string[] {
  const { state, step, loss, evalLoss, best } = run.snapshot
  const last = run.evals.at(-1)
  const scores = (['exactMatch', 'f1', 'accuracy'] as const).flatMap((name) =>
    last?.[name] === undefined ? [] : [`${name} ${percent(last[name])}`],
  )
  return [
    run.name,
    state,
    `${step}${run.totalSteps === undefined ? '' : `/${run.totalSteps}`}`,
    number(loss),
    number(evalLoss),
    best === null ? '–' : `${number(best.loss)} @ ${best.step}`,
    scores.join(', '),
  ]
}

const summaryOf = ({ name, folder, snapshot, totalSteps, evals, settings }: RunRecord) => {
  const { state, step, loss, evalLoss, best } = snapshot
  return { name, folder, state, step, totalSteps, loss, evalLoss, best, lastEval: evals.at(-1), settings }
}

/** A line for each setting that is not the same in all runs. */
function differences(runs: readonly RunRecord[]): string[] {
  const keys = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))]
  const text = (value: unknown) =>
    value === undefined || value === null ? '–' : typeof value === 'string' ? value : JSON.stringify(value)
  const rows = keys.flatMap((key) => {
    const values = runs.map(({ settings }) => text(settings[key]))
    const setting = (table as Readonly<Record<string, Setting>>)[key]
    return new Set(values).size > 1 ? [[setting ? nameOf(key, setting) : key, ...values]] : []
  })
  if (rows.length === 0) return ['', 'their settings are the same']
  return ['', ...columns([['', ...runs.map(({ name }) => name)], ...rows])]
}
