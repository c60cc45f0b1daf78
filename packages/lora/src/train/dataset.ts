// Rows of a file as training and held-out samples of a model's tokenizer.
import { createHash } from 'node:crypto'
import {
  checkJudged,
  checkPair,
  columnsExpected,
  loadChecked,
  loadRows,
  parseColumns,
  prepareJudged,
  preparePairs,
  unusedKeysNote,
  type Columns,
  type PreparedPreferences,
  type Sample,
  type Tokenizer,
} from '@jora/data'
import { describeModel, type DownloadEvent, type ModelDescription } from '@jora/llama'
import { ConfigError } from '../settings/config-error'
import type { JoraConfig } from '../settings/jora-config'
import { loadDatasets, mixDatasets } from '../datasets/load-datasets'
import type { PreferenceName } from './objectives/objective'
import { preferenceSamples, samplesFromRows, type JoraSamples, type SampleList } from './samples'

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

/**
 * Reads rows in any format that `@jora/data` knows (JSON or JSONL; contexts with questions, Alpaca, chat, …), of one or
 * several files or data sets of the Hub, with commas between, tokenises
 * them with the model's tokenizer and splits them: 'train' returns the training share (general rows mixed in) and the
 * held-out rows, 'test' the held-out rows alone.
 * @param model the config's model, where it is open already
 * @throws DatasetError naming file, row and key; ConfigError or an error of `openModel` when the model cannot be used
 */
export async function generateAlpacaDataset(
  path: string,
  part: 'train' | 'test',
  config: JoraConfig,
  model?: Pick<ModelDescription, 'tokenizer' | 'config'>,
  { onDownload, signal }: DatasetOptions = {},
): Promise<JoraDataset> {
  const { settings } = config
  // Hashed as it is read, so that it is read once.
  const hash = createHash('sha256')
  const onBytes = (bytes: Uint8Array) => void hash.update(bytes)
  const unused = new Set<string>()
  const onUnusedKey = (key: string) => void unused.add(key)
  const {
    tokenizer,
    config: { vocabSize },
  } = model ?? (await describeModel(settings.modelPath))
  const { objective = 'sft' } = settings
  if (objective !== 'sft') {
    const prepared = await preferencesOf(path, objective, config, { tokenizer, vocabSize }, onBytes)
    return { ...preferenceSamples(prepared, part, tokenizer), path, hash: hash.digest('hex') }
  }
  const reading = { onBytes, onUnusedKey, columns: columnsOf(settings.columns) }
  const hub = { onProgress: onDownload, signal }
  const sets = await loadDatasets(path, { ...reading, hub })
  const { evalDataset, datasetWeights, split, seed } = settings
  const heldOut =
    evalDataset === undefined
      ? undefined
      : (await loadDatasets(evalDataset, { ...reading, hub: { ...hub, splits: evalSplits } })).flat()
  const rows = mixDatasets(sets, { weights: datasetWeights?.split(',').map(Number), heldOut, split, seed })
  const mixFile = settings.alpacaMixFile
  const mixRows = mixFile === undefined ? undefined : await loadRows(mixFile, { onBytes })
  const samples = samplesFromRows({ rows, mixRows }, part, config, { tokenizer, vocabSize })
  const notes = [...(samples.notes ?? []), ...unusedKeysNote(unused)]
  return { ...samples, notes, path, hash: hash.digest('hex') }
}

/** Splits of the Hub that are held out, the first that a data set has. */
export const evalSplits = ['test', 'validation', 'train']

/** The preferences of a file, in the rows that the objective has. */
async function preferencesOf(
  path: string,
  objective: PreferenceName,
  { settings }: JoraConfig,
  model: { readonly tokenizer: Tokenizer; readonly vocabSize: number },
  onBytes: (bytes: Uint8Array) => void,
): Promise<PreparedPreferences> {
  const { promptTemplate: template, contextTemplate, maxSeqLength, onOverflow, split, seed } = settings
  const options = { ...model, template, contextTemplate, maxSeqLength, onOverflow, split, seed }
  return objective === 'kto'
    ? prepareJudged(await loadChecked(path, checkJudged, { onBytes }), options)
    : preparePairs(await loadChecked(path, checkPair, { onBytes }), options)
}

/** The columns that a setting names. @throws ConfigError for a text that names none */
export function columnsOf(text: string | undefined): Columns | undefined {
  if (text === undefined) return undefined
  const columns = parseColumns(text)
  if (columns === undefined) throw new ConfigError(`columns is ${text}, expected ${columnsExpected}`, 'columns')
  return columns
}
