// No file is pushed that holds what looks like an access token of the Hub.
import { readFile } from 'node:fs/promises'
import { HubError } from '@jora/llama'

const tokenLike = /\b(?:hf_(?:oauth_)?|api_org_)[A-Za-z0-9]{20,}/

/** Weights and SentencePiece models; everything else that is pushed is text. */
const isBinary = (name: string): boolean => /\.(safetensors|gguf|model)$/i.test(name)

/** Throws {@link HubError} naming file and line, and never the token. `token` is the one in use, whatever it looks like. */
export async function refuseSecrets(
  files: readonly { readonly name: string; readonly path?: string; readonly text?: string }[],
  repo: string,
  token: string | undefined,
): Promise<void> {
  for (const { name, path, text } of files) {
    if (isBinary(name)) continue
    const content = text ?? (path === undefined ? '' : await readFile(path, 'utf8'))
    const found = [content.search(tokenLike), token ? content.indexOf(token) : -1].filter((at) => at >= 0)
    if (found.length === 0) continue
    const line = content.slice(0, Math.min(...found)).split('\n').length
    const what = `${name}, line ${line}, holds what looks like an access token: remove it, and revoke it if it was one`
    throw new HubError('Secret', repo, what)
  }
}
