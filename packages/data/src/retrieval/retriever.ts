// The one interface of what finds the texts of a collection that fit a question.

import type { RankedText } from './best-first'
import type { List } from '../work/kept'
import { Bm25Index, type RetrievedText } from './lexical'

/** Which texts of a ranking are wanted. */
export interface BestOptions {
  /** Whether a text is wanted, by number (default: all are). */
  readonly keep?: (text: number) => boolean
  /** Texts that score less than `share` of what the text `of` scores are left out. */
  readonly near?: { readonly of: number; readonly share: number }
}

/** The texts of a collection in the order in which they fit a question. */
export interface Ranking {
  /** Best first, equals in the order they were given; sorted only as far as the caller iterates. */
  best(options?: BestOptions): Iterable<RankedText>
}

/** Finds the texts of a collection that fit a question: by words ({@link Bm25Index}), by vectors, or by both. */
export interface Retriever {
  /** Texts in the collection. */
  readonly size: number
  /** A ranking for each question. */
  rank(questions: readonly string[]): Promise<readonly Ranking[]>
}

/** @deprecated the index of BM25 is called {@link Bm25Index}; `Retriever` is the interface of all retrievers */
export const Retriever = Bm25Index

/** Makes the retriever of a collection, given its texts and the index of their words. */
export type OpenRetriever = (texts: List<RetrievedText>, words: Bm25Index) => Promise<Retriever>

/** Names of the retrievers that there are: by words, by vectors of meaning, by both. */
export const retrieverNames = ['bm25', 'dense', 'hybrid'] as const
/** One of {@link retrieverNames}. */
export type RetrieverName = (typeof retrieverNames)[number]
