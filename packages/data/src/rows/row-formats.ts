// The shapes a row of a dataset may have.

import type { RowOrigin } from '../errors'
import type { JsonRecord } from '../records/json'

interface RowBase {
  /** Fixes where the row goes; a run's own split is for rows without it. */
  split?: 'train' | 'test'
  origin?: RowOrigin
}

/** Instruction, optional input, answer: the format of Stanford Alpaca. */
export interface AlpacaRow extends RowBase {
  instruction: string
  input?: string
  output: string
  /** What comes before everything else of the prompt. */
  system?: string
  /** Earlier turns, each a question and its answer: part of the prompt, never learned. */
  history?: readonly (readonly [question: string, answer: string])[]
}

/** A prompt used as it stands and its continuation, as TRL has them. */
export interface CompletionRow extends RowBase {
  prompt: string
  completion: string
}

/** Pre-tokenised; labels as in transformers: same length, −100 = no loss, shifted inside. */
export interface TokenRow extends RowBase {
  input_ids: readonly number[]
  labels: readonly number[]
}

export const chatRoles = ['system', 'user', 'assistant', 'tool'] as const
export type ChatRole = (typeof chatRoles)[number]

export interface ChatMessage {
  role: ChatRole
  content: string
  /** An assistant's message that is part of the conversation and not learned. */
  weight?: 0
  /** What the chat template makes of these is its own: calls of tools, and what they gave. */
  tool_calls?: readonly JsonRecord[]
  tool_call_id?: string
  name?: string
  /** What a model thought before it answered. */
  reasoning_content?: string
}

/** A conversation for the model's chat template; what assistants say is learned. */
export interface ChatRow extends RowBase {
  messages: readonly ChatMessage[]
  /** Tools that may be called, as JSON schemas. */
  tools?: readonly JsonRecord[]
}

/** A retrieved document. */
export interface ContextDocument {
  id?: string
  title?: string
  text: string
}

export interface ContextQuestion {
  id?: string
  question: string
  /** What is learned. */
  answer: string
  /** All answers that an evaluation counts as right; `[answer]` when absent. */
  answers?: readonly string[]
  /** Sees the first so many documents of the context only; all of them when absent. */
  documents?: number
  /** Ids of the documents that answer it; kept where the context lacks them on purpose. */
  golden?: readonly string[]
}

/** How answers are judged beyond exact match and F1: as the denotation of a table question, or as a reply link. */
export const answerMetrics = ['denotation', 'reply'] as const
export type AnswerMetric = (typeof answerMetrics)[number]

/** RAFT (Zhang et al. 2024): a context and the questions that share it. */
export interface ContextRow extends RowBase {
  /** Retrieved documents, or a text taken as it stands. */
  context: string | readonly ContextDocument[]
  questions: readonly ContextQuestion[]
  metric?: AnswerMetric
}

export type Row = AlpacaRow | CompletionRow | TokenRow | ChatRow | ContextRow
