// A tokenizer from the texts of a model folder's files, wherever they were read.

import { asRecord, type JsonRecord } from '../records/json'
import { parseJsonFile } from '../records/json-file'
import { byteLevelTokenizer } from './byte-level-files'
import { Place, TokenizerError } from './json-place'
import { readModelTokenIds } from './special-tokens'
import { createTokenizer, type Tokenizer } from './tokenizer'

/** The files of a model folder that say how it tokenises. */
export const tokenizerFileNames = [
  'tokenizer.json',
  'vocab.json',
  'merges.txt',
  'tokenizer_config.json',
  'added_tokens.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'additional_chat_templates/tool_use.jinja',
  'generation_config.json',
  'config.json',
] as const

type Name = (typeof tokenizerFileNames)[number]

/** Their texts by name, or what was parsed of a JSON file; tokenizer.json must be there, or vocab.json and merges.txt. */
export type TokenizerFiles = {
  readonly [name in Name]?: string | (name extends `${string}.json` ? object : never) | undefined
}

/**
 * Builds the tokenizer that `loadTokenizer` would build from a folder with these files.
 * @param folder what errors put before the file's name: the model's folder, or where the files come from
 * @throws Error when the files are missing or not JSON, or as {@link createTokenizer} does, naming the file
 */
export function parseTokenizer(files: TokenizerFiles, folder?: string): Tokenizer {
  const json = (file: Name): unknown => {
    const given = files[file]
    return typeof given === 'string'
      ? parseJsonFile(given, `tokenizer ${folder === undefined ? file : `${folder}/${file}`}`)
      : given
  }
  const name = folder ?? 'tokenizer.json'
  const modelJson = json('config.json')
  let tokenizerJson = json('tokenizer.json')
  let config: unknown = withAddedTokens(
    { ...asRecord(json('special_tokens_map.json')), ...asRecord(json('tokenizer_config.json')), ...templatesOf(files) },
    Place.of(json('added_tokens.json'), name, 'added_tokens.json'),
  )
  if (tokenizerJson === undefined) {
    const merges = files['merges.txt']
    const vocab = json('vocab.json')
    if (merges === undefined || vocab === undefined) {
      const path = folder === undefined ? 'tokenizer.json' : `${folder}/tokenizer.json`
      throw new TokenizerError(
        `tokenizer ${path}: no such file; a tokenizer.model alone cannot be read: save the fast tokenizer beside it`,
      )
    }
    const made = byteLevelTokenizer({ vocab, merges, config, model: modelJson }, name)
    ;({ tokenizerJson, configJson: config } = made)
  }
  const modelIds = readModelTokenIds(json('generation_config.json'), modelJson)
  return createTokenizer(tokenizerJson, config, { ...(folder === undefined ? {} : { name: folder }), ...modelIds })
}

/** The templates of files of their own, which come before those of tokenizer_config.json, as a `chat_template`. */
function templatesOf(files: TokenizerFiles): { readonly chat_template?: unknown } {
  const [plain, tools] = [files['chat_template.jinja'], files['additional_chat_templates/tool_use.jinja']]
  const templates = { ...(plain !== undefined && { default: plain }), ...(tools !== undefined && { tool_use: tools }) }
  return Object.keys(templates).length === 0 ? {} : { chat_template: templates }
}

/** `config` with the tokens of an added_tokens.json, of times before `added_tokens_decoder`, where it has none itself. */
function withAddedTokens(config: JsonRecord, added: Place): JsonRecord {
  if (added.isAbsent || config.added_tokens_decoder !== undefined) return config
  const named = new Set([config.additional_special_tokens ?? [], ...Object.values(config)].flat())
  const entries = Object.keys(added.record()).map((content) => {
    const special = named.has(content)
    return [added.at(content).count(), { content, special, normalized: !special }] as const
  })
  return { ...config, added_tokens_decoder: Object.fromEntries(entries) }
}
