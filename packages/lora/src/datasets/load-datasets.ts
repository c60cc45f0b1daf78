// The rows that a run is told to take: one file or several, or data sets of the Hub, each as often as it is meant to count.
import { stat } from 'node:fs/promises'
import { DatasetError, loadRows, splitKeysOf, type ReadOptions, type Row, type RowOptions } from '@jora/data'
import { datasetNameOf, resolveDataset, type ResolveDatasetOptions } from '@jora/llama'
import { rowLists, type RowRange } from './row-lists'

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
 * Finds the files of data sets, of the Hub where they are none.
 * @returns those of each, in the order of their names
 * @throws DatasetError for a name that is neither a file nor a Hub id; HubError naming the data set
 */
export async function datasetFiles(text: string, hub?: ResolveDatasetOptions): Promise<(readonly string[])[]> {
  await checkDatasets(text)
  const all: (readonly string[])[] = []
  for (const name of await datasetNames(text))
    all.push((await exists(name)) ? [name] : (await resolveDataset(name, hub)).files)
  return all
}

/**
 * Reads files of rows and data sets of the Hub.
 * @returns the rows of each, in the order of their names
 * @throws DatasetError naming file and row; HubError naming the data set
 */
export async function loadDatasets(text: string, { hub, ...options }: LoadDatasetOptions = {}): Promise<Row[][]> {
  const all: Row[][] = []
  for (const files of await datasetFiles(text, hub)) {
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
  const rows = [...sets.flat(), ...(heldOut ?? [])]
  let from = 0
  const ranges = sets.map(({ length }): RowRange => [from, (from += length)])
  const held: RowRange | undefined = heldOut && [from, rows.length]
  const lists = rowLists(splitKeysOf(rows), ranges, { weights, heldOut: held, split, seed })
  if (!weights && !heldOut) return sets.flat()
  return [
    ...Array.from(lists.train, (number): Row => ({ ...rows[number]!, split: 'train' })),
    ...Array.from(lists.heldOut, (number): Row => ({ ...rows[number]!, split: 'test' })),
  ]
}
