// The --dataset flag and what else decides how a file of rows is read.
import { stat } from 'node:fs/promises'
import { contextTemplates, DatasetError, packings, promptChoices } from '@jora/data'
import { notAvailable } from './errors'
import { choice, integer, required, text, withDefault } from './flags/flag'

export const datasetFlag = required(
  text('rows to read: a JSON array or JSONL file', 'FILE', { aliases: ['data', 'dataset-name'] }),
)

export const rowFlags = {
  promptTemplate: withDefault(
    choice(
      "how a row becomes the text before its answer; chat is the model's own template, auto what fits rows and model",
      promptChoices,
    ),
    'auto',
  ),
  contextTemplate: withDefault(choice('how the documents of a context are written', contextTemplates), 'auto'),
  maxSeqLength: withDefault(
    integer('longest sample, in tokens', 2, { aliases: ['max-seq-len', 'max-length', 'cutoff-len'] }),
    2000,
  ),
  onOverflow: withDefault(choice('what to do with longer samples', ['error', 'drop', 'truncate']), 'error'),
  packing: withDefault(
    choice('questions that share a context share its computation (tree), or do not; auto does where it pays', packings),
    'auto',
  ),
}

/** @throws DatasetError when there is no such file, before anything slow is done */
export async function checkDatasetFile(file: string, flag = '--dataset'): Promise<void> {
  if (await stat(file).catch(() => undefined)) return
  const looksLikeHubId = /^[\w.-]+\/[\w.-]+$/.test(file) && !/\.(jsonl?|txt)$/i.test(file)
  const hint = looksLikeHubId ? `; a dataset from the Hub ${notAvailable}, download it and give the file` : ''
  throw new DatasetError({ file: `${flag} ${file}`, problem: `no such file${hint}` })
}
