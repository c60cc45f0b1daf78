// Rows of a file as training and held-out samples of a model's tokenizer.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import {
  loadRows,
  loadTokenizer,
  prepareDataset,
  requireEos,
  type DatasetStatistics,
  type Sample,
  type Tokenizer,
} from '@jora/data'
import { loadConfig, resolveModel, type ResolvedModel, type ResolveOptions } from '@jora/llama'
import type { JoraConfig } from './jora-config'

/** Samples ready to train on. */
export interface JoraDataset {
  /** What to train (or, of the 'test' split, to evaluate). */
  readonly samples: readonly Sample[]
  readonly heldOut: readonly Sample[]
  readonly statistics: DatasetStatistics & { readonly train: DatasetStatistics; readonly heldOut: DatasetStatistics }
  readonly tokenizer: Tokenizer
  readonly path: string
  /** SHA-256 of the files the samples come from. */
  readonly hash: string
}

/** SHA-256 of what is trained on: file, template, split, limits and mix all show in it. */
export function hashSamples(samples: readonly Sample[]): string {
  const hash = createHash('sha256')
  for (const { ids, labels } of samples) hash.update(`${ids.length}:`).update(ids).update(labels)
  return hash.digest('hex')
}

const resolved = new Map<string, Promise<ResolvedModel>>()

/** The model's folder, downloaded on first use when it is a Hub id. */
export function modelFolder(modelPath: string, options?: ResolveOptions): Promise<ResolvedModel> {
  let found = resolved.get(modelPath)
  if (!found) {
    found = resolveModel(modelPath, options)
    resolved.set(modelPath, found)
    found.catch(() => resolved.delete(modelPath))
  }
  return found
}

/**
 * Reads Alpaca, prompt–completion or pre-tokenised rows (JSON or JSONL), tokenises them with the model's tokenizer and
 * splits them: 'train' gives the training share (general rows mixed in) with the held-out rows beside it, 'test' the
 * held-out rows alone.
 * @throws DatasetError naming file, row and key
 */
export async function generateAlpacaDataset(
  path: string,
  part: 'train' | 'test',
  config: JoraConfig,
): Promise<JoraDataset> {
  const { settings } = config
  const { dir } = await modelFolder(settings.modelPath)
  const [model, tokenizer, rows] = [await loadConfig(dir), await loadTokenizer(dir), await loadRows(path)]
  requireEos(tokenizer)
  const mixRows = settings.alpacaMixFile === undefined ? undefined : await loadRows(settings.alpacaMixFile)
  const prepared = prepareDataset({
    rows,
    tokenizer,
    template: settings.promptTemplate,
    maxSeqLength: settings.maxSeqLength,
    onOverflow: settings.onOverflow,
    split: settings.split,
    seed: settings.seed,
    vocabSize: model.vocabSize,
    ...(mixRows ? { mixRows, mix: settings.alpacaMix } : {}),
  })
  const hash = createHash('sha256').update(await readFile(path))
  if (settings.alpacaMixFile !== undefined) hash.update(await readFile(settings.alpacaMixFile))
  return {
    samples: part === 'train' ? prepared.train : prepared.heldOut,
    heldOut: part === 'train' ? prepared.heldOut : [],
    statistics: prepared.statistics,
    tokenizer,
    path,
    hash: hash.digest('hex'),
  }
}
