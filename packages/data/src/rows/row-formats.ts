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
  /** Text that the instruction is about; '' is none. */
  input?: string
  output: string
  /** What comes before everything else of the prompt. */
  system?: string
  /** Earlier turns, each a question and its answer: part of the prompt, never learned. */
  history?: readonly (readonly [question: string, answer: string])[]
}

/** A prompt used word for word and its continuation, as TRL has them. */
export interface CompletionRow extends RowBase {
  prompt: string
  completion: string
}

/** Pre-tokenised; labels as in transformers: same length, −100 = no loss, shifted inside. */
export interface TokenRow extends RowBase {
  input_ids: readonly number[]
  labels: readonly number[]
}

/** Who says a message of a conversation. */
export const chatRoles = ['system', 'user', 'assistant', 'tool'] as const
/** A name of {@link chatRoles}. */
export type ChatRole = (typeof chatRoles)[number]

/** A message of a conversation, with the keys of OpenAI's chat format. */
export interface ChatMessage {
  role: ChatRole
  content: string
  /** 0: a message of the assistant that is context only, without loss. */
  weight?: 0
  /** Calls that the assistant makes, in the form that the chat template expects. */
  tool_calls?: readonly JsonRecord[]
  /** Of a tool's message: the call that it answers. */
  tool_call_id?: string
  /** Name of the tool, or of the speaker, where the chat template writes one. */
  name?: string
  /** What a reasoning model wrote before its answer. */
  reasoning_content?: string
}

/** A conversation for the model's chat template; what assistants say is learned. */
export interface ChatRow extends RowBase {
  messages: readonly ChatMessage[]
  /** Tools that may be called, as JSON schemas. */
  tools?: readonly JsonRecord[]
}

/** A retrieved document, with the id that `golden` of a question may name. */
export interface ContextDocument {
  /** What `golden` of a question names it by. */
  id?: string
  /** Written before its text. */
  title?: string
  text: string
}

/** A question on the documents of its row. */
export interface ContextQuestion {
  /** Names the question in what `eval` writes of its answers. */
  id?: string
  question: string
  /** The text that is learned. */
  answer: string
  /** All answers that an evaluation counts as right; `[answer]` when absent. */
  answers?: readonly string[]
  /** How many documents of the context, from the first, the question sees; all when absent. */
  documents?: number
  /** Ids of the documents that answer it; named even where the context leaves them out on purpose. */
  golden?: readonly string[]
}

/** How answers are judged beyond exact match and F1: as the denotation of a table question, or as a reply link. */
export const answerMetrics = ['denotation', 'reply'] as const
/** A name of {@link answerMetrics}. */
export type AnswerMetric = (typeof answerMetrics)[number]

/** RAFT (Zhang et al. 2024): a context and the questions that share it. */
export interface ContextRow extends RowBase {
  /** Retrieved documents, or a text used as it is. */
  context: string | readonly ContextDocument[]
  questions: readonly ContextQuestion[]
  /** How `eval` judges the answers, beside exact match and F1. */
  metric?: AnswerMetric
}

/** A row of a dataset, in one of the five formats. */
export type Row = AlpacaRow | CompletionRow | TokenRow | ChatRow | ContextRow
