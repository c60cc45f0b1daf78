// The --dataset flag and what else decides how a file of rows is read.
import { stat } from 'node:fs/promises'
import { DatasetError } from '@jora/data'
import { notAvailable } from './errors'
import { required, text } from './flags/flag'
import { settingFlags } from './flags/setting-flags'

export const datasetFlag = required(
  text('rows to read: JSON, JSONL, CSV, TSV or Parquet', 'FILE', { aliases: ['data', 'dataset-name'] }),
)

const { columns, promptTemplate, contextTemplate, maxSeqLength, onOverflow, packing } = settingFlags

export const rowFlags = { columns, promptTemplate, contextTemplate, maxSeqLength, onOverflow, packing }

/** @throws DatasetError when there is no such file, before anything slow is done */
export async function checkDatasetFile(file: string, flag = '--dataset'): Promise<void> {
  if (await stat(file).catch(() => undefined)) return
  const looksLikeHubId = /^[\w.-]+\/[\w.-]+$/.test(file) && !/\.(jsonl?|txt)$/i.test(file)
  const several = file.split(',').map((part) => part.trim())
  if (several.length > 1 && (await Promise.all(several.map((part) => stat(part).catch(() => undefined)))).some(Boolean))
    throw new DatasetError({
      file: `${flag} ${file}`,
      problem: `no such file; these are ${several.length} names, but only one file can be read: put their rows into one`,
    })
  const hint = looksLikeHubId ? `; a dataset from the Hub ${notAvailable}, download it and give the file` : ''
  throw new DatasetError({ file: `${flag} ${file}`, problem: `no such file${hint}` })
}
