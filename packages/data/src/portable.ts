// The part of @jora/data that runs in a page too: all of it but reading files.

export { planBatches, type BatchPlan, type PlanOptions } from './batches'
export { collate, paddedLength, type Batch, type CollateOptions } from './collate'
export {
  prepareDataset,
  type DatasetStatistics,
  type OverflowPolicy,
  type PreparedDataset,
  type PrepareOptions,
} from './dataset'
export type { DecodeOptions, TextStream } from './decoder'
export { DatasetError, type DatasetErrorDetails, type RowOrigin } from './errors'
export { describeTokens, type TokenDescription } from './preview'
export { parsePromptTemplate, renderPrompt, type PromptTemplate } from './prompt'
export { deriveSeed, Random, randomUint32, shuffle } from './random'
export {
  answerMetrics,
  chatRoles,
  checkRow,
  type AlpacaRow,
  type AnswerMetric,
  type ChatMessage,
  type ChatRole,
  type ChatRow,
  type CompletionRow,
  type ContextDocument,
  type ContextQuestion,
  type ContextRow,
  type Row,
  type TokenRow,
} from './row-formats'
export { parseRows } from './rows'
export { countTargets, IGNORED_LABEL, tokenizeRow, type Sample, type TokenizeOptions } from './tokenize'
export { parseTokenizer, type TokenizerFiles } from './tokenizer-files'
export {
  createTextStream,
  createTokenizer,
  requireEos,
  type CreateTokenizerOptions,
  type EncodeOptions,
  type Tokenizer,
} from './tokenizer'
