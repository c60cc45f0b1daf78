// What a data set of a run is, and how its rows are read.
import { columnsExpected, parseColumns, type Columns, type Sample } from '@jora/data'
import type { DownloadEvent } from '@jora/llama'
import { ConfigError } from '../settings/config-error'
import type { JoraSamples, SampleList } from '../train/samples'

/** Samples of a file. */
export interface JoraDataset<List extends SampleList = readonly Sample[]> extends JoraSamples<List> {
  readonly path: string
  /** SHA-256 of the files the samples come from. */
  readonly hash: string
}

/** How data sets of the Hub are fetched. */
export interface DatasetOptions {
  /** Called as their files are downloaded. */
  readonly onDownload?: ((event: DownloadEvent) => void) | undefined
  /** Aborting it ends the download. */
  readonly signal?: AbortSignal | undefined
}

/** Splits of the Hub that are held out, the first that a data set has. */
export const evalSplits = ['test', 'validation', 'train']

/** The columns that a setting names. @throws ConfigError for a text that names none */
export function columnsOf(text: string | undefined): Columns | undefined {
  if (text === undefined) return undefined
  const columns = parseColumns(text)
  if (columns === undefined) throw new ConfigError(`columns is ${text}, expected ${columnsExpected}`, 'columns')
  return columns
}
