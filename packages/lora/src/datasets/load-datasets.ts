// The rows that a run is told to take: one file or several, or data sets of the Hub, each as often as it is meant to count.
import { stat } from 'node:fs/promises'
import {
  DatasetError,
  deriveSeed,
  loadRows,
  shuffle,
  splitRows,
  type ReadOptions,
  type Row,
  type RowOptions,
} from '@jora/data'
import { datasetNameOf, resolveDataset, type ResolveDatasetOptions } from '@jora/llama'
import { ConfigError } from '../settings/config-error'

/** How rows are read, and data sets of the Hub fetched. */
export interface LoadDatasetOptions extends ReadOptions, RowOptions {
  /** How data sets of the Hub are found, and which of their splits. */
  readonly hub?: ResolveDatasetOptions | undefined
}

/**
 * The names in a text: one, or several with commas between; a file whose own name has commas is one.
 */
export async function datasetNames(text: string): Promise<string[]> {
  if (await exists(text)) return [text]
  const names = text.split(',').map((name) => name.trim())
  return names.filter((name) => name !== '')
}

const exists = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined

/** @throws DatasetError for a name that is neither a file nor a Hub id */
export async function checkDatasets(text: string, what = text): Promise<void> {
  for (const name of await datasetNames(text)) {
    if ((await exists(name)) || datasetNameOf(name) !== undefined) continue
    throw new DatasetError({
      file: what === text ? name : `${what} ${name}`,
      problem: /\.\w+$/.test(name)
        ? 'no such file'
        : 'no such file; expected a file, or a data set of the Hub (org/name, org/name:config:split)',
    })
  }
}

/**
 * Reads files of rows and data sets of the Hub.
 * @returns the rows of each, in the order of their names
 * @throws DatasetError naming file and row; HubError naming the data set
 */
export async function loadDatasets(text: string, { hub, ...options }: LoadDatasetOptions = {}): Promise<Row[][]> {
  await checkDatasets(text)
  const all: Row[][] = []
  for (const name of await datasetNames(text)) {
    const files = (await exists(name)) ? [name] : (await resolveDataset(name, hub)).files
    const rows: Row[] = []
    for (const file of files) for (const row of await loadRows(file, options)) rows.push(row)
    all.push(rows)
  }
  return all
}

/** How several data sets become the rows of one run. */
export interface MixOptions {
  /** By data set, how often each training row counts: 2 is twice, 0.5 half of them, drawn by the seed. */
  readonly weights?: readonly number[] | undefined
  /** Rows to hold out instead of a share. */
  readonly heldOut?: readonly Row[] | undefined
  /** Training share where nothing is named to be held out. */
  readonly split: number
  readonly seed: number
}

/**
 * Makes data sets one. With weights or rows to hold out, each row says whether it is trained or held out; a row that is held
 * out stays once, whatever its data set weighs. Rows that a data set marks as test are left out where others are held out.
 * @throws ConfigError for weights that are not one for each
 */
export function mixDatasets(sets: readonly (readonly Row[])[], { weights, heldOut, split, seed }: MixOptions): Row[] {
  if (weights && weights.length !== sets.length)
    throw new ConfigError(
      `datasetWeights has ${weights.length} numbers for ${sets.length} data sets, expected one for each`,
      'datasetWeights',
    )
  const all = sets.flat()
  if (!weights && !heldOut) return all
  const sides = heldOut ? { train: all.filter((row) => row.split !== 'test'), heldOut } : splitRows(all, split, seed)
  const trained = new Set(sides.train)
  const train = sets.flatMap((rows, i) =>
    repeated(
      rows.filter((row) => trained.has(row)),
      weights?.[i] ?? 1,
      deriveSeed(seed, 'weight', i),
    ),
  )
  return [
    ...train.map((row): Row => ({ ...row, split: 'train' })),
    ...sides.heldOut.map((row): Row => ({ ...row, split: 'test' })),
  ]
}

/** Each row ⌊weight⌋ times, and as many as the rest asks for once more. */
function repeated(rows: readonly Row[], weight: number, seed: number): Row[] {
  const whole = Math.floor(weight)
  const more = shuffle([...rows.keys()], seed).slice(0, Math.round(rows.length * (weight - whole)))
  return [...Array.from({ length: whole }, () => rows).flat(), ...more.sort((a, b) => a - b).map((i) => rows[i]!)]
}
