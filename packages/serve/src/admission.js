// How many requests may be in work or wait for it.
import { ServeError } from './error'
export class Admission {
  #most
  #count = 0
  constructor(most) {
    this.#most = most
  }
  /** Requests in work, waiting ones included. */
  get count() {
    return this.#count
  }
  /** Takes a place, and gives the way to leave it. @throws ServeError (429) when all are taken */
  enter() {
    if (this.#count >= this.#most) {
      const message = `${this.#count} requests are in work or wait already: ask again in a few seconds`
      throw new ServeError(429, message, { code: 'queue_full', headers: { 'retry-after': '5' } })
    }
    this.#count++
    let left = false
    return () => {
      if (!left) this.#count--
      left = true
    }
  }
}
