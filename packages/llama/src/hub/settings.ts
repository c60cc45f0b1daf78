// Where the Hub is, who asks and where the cache is: options first, then the environment huggingface_hub also reads.

import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { HubError } from './error'

/** Where the Hub, its cache and its token are: options, else environment variables, else Hugging Face's defaults. */
export interface HubSettings {
  /** Without a trailing slash. */
  endpoint: string
  token: string | undefined
  /** Where the token was found, for messages: `HF_TOKEN`, a file's path. */
  tokenSource: string | undefined
  cacheDir: string
  offline: boolean
  /** Fetch large files through the Xet protocol where the Hub offers it. */
  xet: boolean
}

/** Settings that override the environment's. */
export interface SettingsOptions {
  /** Access token; absent: HF_TOKEN, or the file that `huggingface-cli login` writes. */
  token?: string | undefined
  /** Address of the Hub (default HF_ENDPOINT, else https://huggingface.co). */
  endpoint?: string | undefined
  /** Folder of the cache (default HF_HUB_CACHE, else `$HF_HOME/hub`). */
  cacheDir?: string | undefined
  /** Use the cache alone (default HF_HUB_OFFLINE). */
  offline?: boolean | undefined
  /** The environment to read (default `process.env`). */
  env?: NodeJS.ProcessEnv | undefined
}

/**
 * Reads HF_ENDPOINT, HF_TOKEN (or the file HF_TOKEN_PATH, `$HF_HOME/token`), HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME,
 * HF_HUB_OFFLINE and HF_HUB_DISABLE_XET.
 * @param id the model or repository, for messages
 * @throws HubError for an address or token that cannot be used
 */
export async function hubSettings(id: string, options: SettingsOptions): Promise<HubSettings> {
  const env = options.env ?? process.env
  const hfHome = path(env.HF_HOME) ?? join(path(env.XDG_CACHE_HOME) ?? join(homedir(), '.cache'), 'huggingface')
  const cacheDir = path(options.cacheDir) ?? path(env.HF_HUB_CACHE) ?? path(env.HUGGINGFACE_HUB_CACHE)
  return {
    endpoint: checkEndpoint(options.endpoint ?? (env.HF_ENDPOINT || 'https://huggingface.co'), id),
    ...(await findToken(id, options.token, env, path(env.HF_TOKEN_PATH) ?? join(hfHome, 'token'))),
    cacheDir: cacheDir ?? join(hfHome, 'hub'),
    offline: options.offline ?? (isSet(env.HF_HUB_OFFLINE) || isSet(env.TRANSFORMERS_OFFLINE)),
    xet: !isSet(env.HF_HUB_DISABLE_XET),
  }
}

async function findToken(id: string, given: string | undefined, env: NodeJS.ProcessEnv, file: string) {
  const places: [source: string, text: string | undefined][] =
    given === undefined
      ? [
          ['HF_TOKEN', env.HF_TOKEN],
          ['HUGGING_FACE_HUB_TOKEN', env.HUGGING_FACE_HUB_TOKEN],
          [file, await readToken(file)],
        ]
      : [['the token given', given]]
  const [source, text = ''] = places.find(([, found]) => found) ?? []
  const token = text.trim()
  // fetch would quote a header it refuses, token and all.
  if (!/^[\x21-\x7e]*$/.test(token)) {
    throw new HubError('InvalidName', id, 'the Hugging Face token has spaces or characters that a header cannot have')
  }
  return token ? { token, tokenSource: source } : { token: undefined, tokenSource: undefined }
}

async function readToken(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch {
    return '' // no login here, or not ours to read: public models need none
  }
}

function checkEndpoint(endpoint: string, id: string): string {
  const trimmed = endpoint.trim().replace(/\/+$/, '')
  const url = URL.canParse(trimmed) ? new URL(trimmed) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.username || url.password) {
    const what = 'the Hub endpoint (HF_ENDPOINT) is not a plain http or https URL'
    throw new HubError('InvalidName', id, what)
  }
  return trimmed
}

function path(value: string | undefined): string | undefined {
  return value ? resolve(expandHome(value)) : undefined
}

/** `~` and `~/…` as paths in the user's home folder; other texts as they are. */
export function expandHome(text: string): string {
  return /^~(?=$|[/\\])/.test(text) ? join(homedir(), text.slice(1)) : text
}

function isSet(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? '')
}
