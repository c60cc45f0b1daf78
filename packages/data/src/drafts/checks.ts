// What is held against a drafted question before anybody reads it.

import { f1 } from '../metrics/squad'
import type { Chunk } from '../raft/chunk'
import { holds } from '../raft/holds'
import { canonical, spelledIn } from '../retrieval/canonical'
import type { DraftKind } from './draft'
import { NO_ANSWER } from './prompts'
import type { Written } from './reply'

const longestQuestion = 300
const longestAnswer = 300
/** Scripts in which a question may be one word. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u

/** Speaks of a text that whoever is asked does not have. */
const DEICTIC =
  /\b(?:the|this|that|above|given|following|provided) (?:passage|text|excerpt|paragraph|document|section|snippet|context)\b|according to the (?:author|article)/i

/** A question that passed, with its quote as the passage spells it; or why it did not. */
export function checkWritten(
  { question, answer, quote }: Written,
  kind: DraftKind,
  { text }: Pick<Chunk, 'text'>,
): Pick<Written, 'answer' | 'quote'> | string {
  if (question.length > longestQuestion || /[\r\n]/.test(question)) return 'the question is too long'
  if (question.split(/\s+/).length < 3 && !UNSPACED.test(question)) return 'the question is too short'
  if (DEICTIC.test(question)) return 'the question speaks of a text that is not seen'
  if (kind === 'unanswerable') return { answer: '', quote: '' }
  if (answer === '') return 'it has no answer'
  if (answer.length > longestAnswer) return 'the answer is too long'
  const [form, answerForm] = [canonical(text), canonical(answer)]
  if (canonical(question).includes(answerForm) && answerForm.length > 3) return 'the question holds its answer'
  const spelled = quote === '' ? undefined : spelledIn(text, canonical(quote))
  if (spelled !== undefined) return { answer, quote: spelled }
  // A model that copies badly may still answer with words of the passage.
  if (holds(form, answerForm) === 'words')
    return { answer: spelledIn(text, answerForm) ?? answer, quote: spelledIn(text, answerForm) ?? answer }
  return quote === ''
    ? 'it quotes nothing, and its answer does not stand in the passage'
    : 'its quote does not stand in the passage'
}

/** Least agreement of two answers to one question, as token F1. */
const leastAgreement = 0.3

/** Why a question is not what it is taken for, now that it was asked again; undefined where it is. */
export function checkReply(kind: DraftKind, answer: string, reply: string): string | undefined {
  const said = reply.trim()
  const refuses =
    said === '' ||
    canonical(said).includes(canonical(NO_ANSWER)) ||
    /\b(?:does not (?:say|mention|answer)|not mentioned|no answer|unanswerable)\b/i.test(said)
  if (kind === 'unanswerable') return refuses ? undefined : `asked again, it is answered: ${shown(said)}`
  if (refuses) return 'asked again, the passage does not answer it'
  const agrees =
    f1(said, [answer]) >= leastAgreement ||
    canonical(said).includes(canonical(answer)) ||
    canonical(answer).includes(canonical(said))
  return agrees ? undefined : `asked again, it is answered otherwise: ${shown(said)}`
}

const shown = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)

/** The same for questions that differ in punctuation and case alone. */
export const questionKey = (question: string): string =>
  canonical(question)
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
