// Who may use the server: a launch token that opens it once, and signed cookies that stay good over restarts.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

const lifetimeMs = 30 * 24 * 3_600_000
const keyFile = 'session.key'

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
/** Whether two texts are equal, in a time that does not say where they differ. */
export const sameText = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))

/** The key that signs cookies, made on first use; readable by its owner only. */
async function readKey(stateDir: string): Promise<Buffer> {
  const path = join(stateDir, keyFile)
  await writeFile(path, randomBytes(32).toString('hex'), { mode: 0o600, flag: 'wx' }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    },
  )
  if ((await stat(path)).mode & 0o077) await chmod(path, 0o600)
  const key = Buffer.from((await readFile(path, 'utf8')).trim(), 'hex')
  if (key.byteLength !== 32) throw new Error(`${path} is damaged: remove it, and sign in anew`)
  return key
}

export class Sessions {
  /** Browsers send cookies to every port of a host: the name tells servers of other state folders apart. */
  readonly cookieName: string
  readonly #key: Buffer
  #launchToken: string | undefined = randomBytes(24).toString('base64url')

  private constructor(key: Buffer, stateDir: string) {
    this.#key = key
    this.cookieName = `jora-${digest(stateDir).toString('hex').slice(0, 8)}`
  }

  static async open(stateDir: string): Promise<Sessions> {
    return new Sessions(await readKey(stateDir), stateDir)
  }

  /** For the address that is printed; undefined once it was used. */
  get launchToken(): string | undefined {
    return this.#launchToken
  }

  /** Spends the launch token. @returns whether `token` was it */
  redeem(token: string): boolean {
    if (this.#launchToken === undefined || !sameText(token, this.#launchToken)) return false
    this.#launchToken = undefined
    return true
  }

  /** A new session, as the value of a Set-Cookie header. */
  cookie(now = Date.now()): string {
    const payload = `${(now + lifetimeMs).toString(36)}.${randomBytes(9).toString('base64url')}`
    const value = `${payload}.${this.#sign(payload)}`
    return `${this.cookieName}=${value}; HttpOnly; SameSite=Strict; Path=/; Max-Age=${lifetimeMs / 1000}`
  }

  /** Whether a Cookie header carries a session that is still good. */
  isOpen(header: string | undefined, now = Date.now()): boolean {
    for (const part of (header ?? '').split(';')) {
      const [name, value = ''] = part.trim().split('=')
      if (name !== this.cookieName) continue
      const [expires = '', nonce = '', signature = ''] = value.split('.')
      const isSigned = sameText(signature, this.#sign(`${expires}.${nonce}`))
      if (isSigned && parseInt(expires, 36) > now) return true
    }
    return false
  }

  /** A mark by which a text is known to be of this server, or of an earlier one with the same key. */
  seal(text: string): string {
    return this.#sign(`seal:${text}`)
  }

  #sign(payload: string): string {
    return createHmac('sha256', this.#key).update(payload).digest('base64url')
  }
}
