// The password of a server that others can reach: compared in constant time, and only so many tries.
import { Failure } from './failure'
import { sameText } from './sessions'

const windowMs = 60_000
/** Wrong tries a minute from one address, and from all. */
const [triesEach, triesAll] = [5, 50]

export class Password {
  /** When wrong tries were made, by address. */
  #wrong: { readonly address: string; readonly at: number }[] = []

  constructor(readonly text: string) {}

  /** @throws Failure for a wrong password, and after too many */
  check(given: string, address: string, now = Date.now()): void {
    this.#wrong = this.#wrong.filter(({ at }) => at > now - windowMs)
    const own = this.#wrong.filter((tried) => tried.address === address)
    if (own.length >= triesEach || this.#wrong.length >= triesAll)
      throw new Failure('too_many', 'Too many wrong passwords. Wait a minute, then try again.', [], 429)
    if (sameText(given, this.text)) return
    this.#wrong.push({ address, at: now })
    throw new Failure('unauthenticated', 'That is not the password.')
  }
}
