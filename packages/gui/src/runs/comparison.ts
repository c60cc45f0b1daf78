// Runs beside each other: their curves, and each setting in which they differ, once.
import type { Comparison } from '../api'
import { readColumns } from './columns'
import type { ManagedRun } from './managed-run'

/** Names in run.json of what the page calls otherwise. */
const pageNames: Readonly<Record<string, string>> = {
  modelPath: 'model',
  scheduler: 'lrScheduler',
  epochs: 'numEpochs',
}

/** What was set, with what training made of it where that is known; a setting has one name, and a list one form. */
function settingsOf({ json, record }: ManagedRun): Record<string, unknown> {
  const used = Object.entries(json?.settings ?? {}).map(([name, value]) => [pageNames[name] ?? name, value] as const)
  const given = Object.entries(record?.settings ?? {}).filter(([, value]) => value !== undefined)
  const all = Object.fromEntries([...used, ...given])
  if (typeof all.targetModules === 'string') all.targetModules = [all.targetModules]
  return all
}

/** The runs as a page compares them. */
export async function comparisonOf(runs: readonly ManagedRun[]): Promise<Comparison> {
  const settings = runs.map(settingsOf)
  const keys = [...new Set(settings.flatMap((each) => Object.keys(each)))].sort()
  const compared: Comparison['runs'] = []
  for (const [i, run] of runs.entries())
    compared.push({
      run: run.toRun(),
      settings: settings[i]!,
      metrics: await readColumns(run.metricsPath, 0),
    })
  const differences = keys
    .map((key) => ({ key, values: settings.map((each) => each[key] ?? null) }))
    .filter(({ values }) => new Set(values.map((value) => JSON.stringify(value))).size > 1)
  return { runs: compared, differences }
}
