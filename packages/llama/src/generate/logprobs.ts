// Log probabilities of tokens, from the scores that they are chosen by.

/** A token that could be next, and how likely the model finds it. */
export interface ScoredId {
  readonly id: number
  /** Natural logarithm of its probability among all tokens, before penalties, temperature and the choice of few. */
  readonly logprob: number
}

/** A token that was generated. */
export interface Token extends Partial<ScoredId> {
  readonly id: number
  /** The likeliest tokens at its place, best first; present where log probabilities are asked for, as is `logprob`. */
  readonly top?: readonly ScoredId[]
}

/** Log probabilities of one place. */
export interface Likelihoods {
  of(id: number): number
  readonly top: readonly ScoredId[]
}

/**
 * Log probabilities of scores, which may change afterwards.
 * @param scores f32 `[vocab]`
 * @param count how many of the likeliest are listed
 */
export function likelihoods(scores: Float32Array, count: number): Likelihoods {
  const own = scores.slice()
  let most = -Infinity
  for (const score of own) if (score > most) most = score
  let sum = 0
  for (const score of own) sum += Math.exp(score - most)
  const total = most + Math.log(sum)
  // Of few that are wanted among many, each is put in its place.
  const best: number[] = []
  for (let id = 0; id < own.length && count > 0; id++) {
    if (best.length === count && own[id]! <= own[best.at(-1)!]!) continue
    let at = best.length
    while (at > 0 && own[best[at - 1]!]! < own[id]!) at--
    best.splice(at, 0, id)
    if (best.length > count) best.pop()
  }
  const of = (id: number) => own[id]! - total
  return { of, top: best.map((id) => ({ id, logprob: of(id) })) }
}
