// The --dataset flag and what else decides how its rows are read.
import { stat } from 'node:fs/promises'
import { DatasetError, type Row, type RowOptions } from '@jora/data'
import type { DownloadEvent } from '@jora/llama'
import { checkDatasets, loadDatasets, type StreamOptions } from '@jora/lora'
import { Interrupted } from './errors'
import { required, text, type Flag } from './flags/flag'
import { settingFlags } from './flags/setting-flags'
import type { Io } from './io'
import { interruptible } from './interrupt'
import { downloadLine } from './ui/download-line'
import { prepareLine } from './ui/prepare-line'

/** Several are one text, with commas between. */
export const datasetFlag: Flag<string> = {
  ...required(
    text(
      'rows to read: a file (JSON, JSONL, CSV, TSV, Parquet), or a data set of the Hub (org/name, org/name:config:split); may be given more than once',
      'FILE or hub id',
      { aliases: ['data', 'dataset-name'] },
    ),
  ),
  join: (first, second) => `${first},${second}`,
}

const { columns, promptTemplate, contextTemplate, maxSeqLength, onOverflow, packing } = settingFlags

export const rowFlags = { columns, promptTemplate, contextTemplate, maxSeqLength, onOverflow, packing }

/** @throws DatasetError when there is no such file, before anything slow is done */
export async function checkFile(file: string, flag: string): Promise<void> {
  if (!(await stat(file).catch(() => undefined)))
    throw new DatasetError({ file: `${flag} ${file}`, problem: 'no such file' })
}

/** @throws DatasetError for a name that is neither a file nor a Hub id, before anything slow is done */
export const checkDataset = (names: string, flag = '--dataset'): Promise<void> => checkDatasets(names, flag)

/** Shows what is fetched of data sets of the Hub, as long as `use` takes. */
async function whileFetching<T>(io: Io, use: (onDownload: (event: DownloadEvent) => void) => Promise<T>): Promise<T> {
  const line = downloadLine(io)
  try {
    return await use(line.show)
  } finally {
    line.clear()
  }
}

/**
 * Shows what is fetched and how far it is prepared, as long as `use` takes; Ctrl-C stops it.
 * @throws Interrupted
 */
export async function whilePreparing<T>(
  io: Io,
  use: (told: Pick<StreamOptions, 'onDownload' | 'onPrepare' | 'signal'>) => Promise<T>,
): Promise<T> {
  const line = prepareLine(io)
  const { signal, release } = interruptible(io)
  try {
    const prepared = await whileFetching(io, (onDownload) => use({ onDownload, onPrepare: line.show, signal }))
    signal.throwIfAborted()
    return prepared
  } catch (error) {
    if (!signal.aborted) throw error
    line.clear()
    io.stderr.write('stopped before the first step\n')
    throw new Interrupted('stopped')
  } finally {
    release()
    line.clear()
  }
}

/**
 * The rows of files and data sets of the Hub.
 * @param splits of a data set of the Hub where none is named
 * @throws DatasetError | HubError naming file and row, or the data set
 */
export const readDataset = (names: string, io: Io, options: RowOptions, splits: readonly string[]): Promise<Row[]> =>
  whileFetching(io, async (onProgress) =>
    (await loadDatasets(names, { ...options, hub: { splits, onProgress } })).flat(),
  )
