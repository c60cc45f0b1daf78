// A tokenizer held to the rows of a model's embedding: what has no row there cannot be computed.
import type { Tokenizer } from './tokenizer'

/** A text has a token that the model has no embedding for. */
export class TokenIdError extends Error {
  override readonly name = 'TokenIdError'

  constructor(
    readonly token: string | undefined,
    readonly id: number,
    /** Rows of the embedding. */
    readonly rows: number,
    what = 'token',
  ) {
    const named = token === undefined ? '' : ` ${JSON.stringify(token)}`
    super(
      `${what}${named} has id ${id}, but the model's embedding has ${rows} rows (ids 0 to ${rows - 1}): the tokenizer was given tokens that the model was not. Enlarge the embedding (in transformers, model.resize_token_embeddings(len(tokenizer))) and save the model again, or remove the token from the tokenizer's files`,
    )
  }
}

const holders = new WeakMap<Tokenizer, Map<number, Tokenizer>>()

/**
 * `tokenizer`, whose `encode` throws a {@link TokenIdError} for texts that have a token id not below `rows`.
 * @param rows rows of the model's embedding: its config's vocabulary size
 */
export function withinEmbedding(tokenizer: Tokenizer, rows: number): Tokenizer {
  if (tokenizer.vocabSize <= rows) return tokenizer
  const known = holders.get(tokenizer) ?? new Map<number, Tokenizer>()
  holders.set(tokenizer, known)
  let limited = known.get(rows)
  if (!limited) {
    const held = (ids: number[]): number[] => {
      const bad = ids.find((id) => id >= rows)
      if (bad !== undefined) throw new TokenIdError(tokenizer.idToToken(bad), bad, rows)
      return ids
    }
    limited = {
      ...tokenizer,
      encode: (text, options) => held(tokenizer.encode(text, options)),
      encodeParts: (parts, options) => tokenizer.encodeParts(parts, options).map(held),
    }
    known.set(rows, limited)
  }
  return limited
}

/**
 * Makes sure that the tokens a tokenizer adds by itself have rows in an embedding.
 * @throws TokenIdError naming the token
 */
export function checkSpecialIds(tokenizer: Tokenizer, rows: number): void {
  const { bosId, eosId, padId } = tokenizer
  for (const [what, id] of Object.entries({ 'BOS token': bosId, 'EOS token': eosId, 'pad token': padId }))
    if (id !== undefined && id >= rows) throw new TokenIdError(tokenizer.idToToken(id), id, rows, what)
}
