// A tokenizer from the texts of a model folder's files, wherever they were read.

import { parseJsonFile } from '../records/json-file'
import { readModelTokenIds } from './special-tokens'
import { createTokenizer, type Tokenizer } from './tokenizer'

/** The files of a model folder that say how it tokenises. */
export const tokenizerFileNames = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'generation_config.json',
  'config.json',
] as const

type Name = (typeof tokenizerFileNames)[number]

/** Their texts by name, or what was parsed of a JSON file; only tokenizer.json must be there. */
export type TokenizerFiles = {
  readonly [name in Name]?: string | (name extends `${string}.json` ? object : never) | undefined
}

/**
 * Builds the tokenizer that `loadTokenizer` would build from a folder with these files.
 * @param folder what errors put before the file's name: the model's folder, or where the files come from
 * @throws Error when tokenizer.json is missing, a file is not JSON, or as {@link createTokenizer} does, naming the file
 */
export function parseTokenizer(files: TokenizerFiles, folder?: string): Tokenizer {
  const json = (file: Name): unknown => {
    const given = files[file]
    return typeof given === 'string'
      ? parseJsonFile(given, `tokenizer ${folder === undefined ? file : `${folder}/${file}`}`)
      : given
  }
  if (files['tokenizer.json'] === undefined) {
    const path = folder === undefined ? 'tokenizer.json' : `${folder}/tokenizer.json`
    throw new Error(
      `tokenizer ${path}: no such file; a tokenizer.model alone cannot be read: save the fast tokenizer beside it`,
    )
  }
  const chatTemplate = files['chat_template.jinja']
  const config: unknown = {
    ...(json('special_tokens_map.json') as object | undefined),
    ...(json('tokenizer_config.json') as object | undefined),
    ...(chatTemplate === undefined ? {} : { chat_template: chatTemplate }),
  }
  const modelIds = readModelTokenIds(json('generation_config.json'), json('config.json'))
  return createTokenizer(json('tokenizer.json'), config, {
    ...(folder === undefined ? {} : { name: folder }),
    ...modelIds,
  })
}
