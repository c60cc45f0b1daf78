// What a model folder says of its tokenizer, as far as GGUF wants to know.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '@jora/lora'

type Json = Readonly<Record<string, unknown>>

export const record = (value: unknown): Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** A token that is beside the model's vocabulary, or is matched in the text before it. */
export interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special: boolean
}

export interface TokenizerFiles {
  /** What errors call tokenizer.json. */
  readonly path: string
  readonly json: Json
  /** special_tokens_map.json and, over it, tokenizer_config.json. */
  readonly config: Json
  /** generation_config.json and config.json, in the order they are asked. */
  readonly models: readonly Json[]
  readonly addedTokens: readonly AddedToken[]
  readonly chatTemplate: string | undefined
  /** tokenizer.model, SentencePiece's own file. */
  readonly sentencePiece: Uint8Array | undefined
}

/** @throws ConfigError when the folder has no tokenizer.json, or a file that is broken */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const path = join(folder, 'tokenizer.json')
  const json = await readJson(path)
  if (!json)
    throw new ConfigError(`${path} does not exist: GGUF contains the vocabulary, which is read from tokenizer.json`)
  const config = {
    ...(await readJson(join(folder, 'special_tokens_map.json'))),
    ...(await readJson(join(folder, 'tokenizer_config.json'))),
  }
  const template = await readIfThere(join(folder, 'chat_template.jinja'))
  return {
    path,
    json,
    config,
    models: [
      (await readJson(join(folder, 'generation_config.json'))) ?? {},
      (await readJson(join(folder, 'config.json'))) ?? {},
    ],
    addedTokens: list(json.added_tokens).map((token) => readAdded(token, path)),
    chatTemplate: template?.toString('utf8') ?? templateOf(config.chat_template),
    sentencePiece: await readIfThere(join(folder, 'tokenizer.model')),
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    throw new ConfigError(`${path} cannot be read: ${message}`)
  }
}

async function readJson(path: string): Promise<Json | undefined> {
  const bytes = await readIfThere(path)
  if (bytes === undefined) return undefined
  try {
    return record(JSON.parse(bytes.toString('utf8')))
  } catch (error) {
    throw new ConfigError(`${path} is not valid JSON: ${(error as Error).message}`)
  }
}

function readAdded(token: unknown, path: string): AddedToken {
  const { id, content, special } = record(token)
  if (!Number.isInteger(id) || typeof content !== 'string')
    throw new ConfigError(`${path}: "added_tokens" has ${JSON.stringify(token)}, expected an id and its content`)
  return { id: id as number, content, special: special === true }
}

/** One template, or the one called "default" of several. */
function templateOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  const named = list(value).map(record)
  const chosen = named.find(({ name }) => name === 'default') ?? named[0]
  return typeof chosen?.template === 'string' ? chosen.template : undefined
}

/** A token's text in tokenizer_config.json, which has it bare or in an object. */
export function contentOf(value: unknown): string | undefined {
  const content = typeof value === 'string' ? value : record(value).content
  return typeof content === 'string' ? content : undefined
}
