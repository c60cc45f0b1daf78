// Reading texts, rows and tokenizers from disk.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatasetError } from '../errors'
import type { Row } from './row-formats'
import { parseRows } from './rows'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { parseTokenizer, tokenizerFileNames, type TokenizerFiles } from '../tokenizer/tokenizer-files'

/** The file's text, or undefined when there is none. */
async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * The file's text, without a byte order mark.
 *
 * @throws DatasetError when it is missing, a folder, or no UTF-8
 */
export async function readText(file: string): Promise<string> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    const problems: Record<string, string> = { ENOENT: 'no such file', EISDIR: 'is a folder; expected a file' }
    throw new DatasetError({ file, problem: problems[error.code ?? ''] ?? error.message })
  })
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new DatasetError({ file, problem: 'is not UTF-8 text' })
  }
}

/**
 * Reads a dataset file, JSON array or JSONL (see {@link parseRows}).
 *
 * @throws DatasetError when it is missing, no UTF-8, or holds a bad row
 */
export const loadRows = async (file: string): Promise<Row[]> => parseRows(await readText(file), file)

/**
 * Loads the tokenizer of a Hugging Face model folder: tokenizer.json, and where present tokenizer_config.json,
 * special_tokens_map.json, chat_template.jinja, generation_config.json and config.json.
 *
 * @throws Error when tokenizer.json is missing or a file is no JSON, naming the file
 */
export async function loadTokenizer(dir: string): Promise<Tokenizer> {
  const read = async (name: string) => [name, await readOptional(join(dir, name))] as const
  const files = Object.fromEntries(await Promise.all(tokenizerFileNames.map(read))) as Partial<TokenizerFiles>
  const tokenizerJson = files['tokenizer.json']
  if (tokenizerJson === undefined) {
    throw new Error(
      `tokenizer ${join(dir, 'tokenizer.json')}: no such file; a tokenizer.model alone is not read, save the fast tokenizer beside it`,
    )
  }
  return parseTokenizer({ ...files, 'tokenizer.json': tokenizerJson }, dir)
}
