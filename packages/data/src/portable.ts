// The part of @jora/data that runs in a page too: all of it but reading files.

export { planBatches, type BatchPlan, type PlanOptions } from './batches'
export { ChatTemplate, chatTemplateOf, type UserFrame } from './chat'
export { collate, paddedLength, type Batch, type CollateOptions, type PackedRows } from './collate'
export {
  packings,
  prepareDataset,
  type DatasetStatistics,
  type OverflowPolicy,
  type Packing,
  type PreparedDataset,
  type PrepareOptions,
} from './dataset'
export type { DecodeOptions, TextStream } from './decoder'
export { DatasetError, type DatasetErrorDetails, type RowOrigin } from './errors'
export { describeTokens, type TokenDescription } from './preview'
export { countEpochSteps, planSteps, type BatchRow, type StepPlan, type StepPlanOptions } from './plan'
export {
  contextTemplates,
  parsePromptTemplate,
  promptTemplates,
  renderPrompt,
  type ContextTemplate,
  type PromptTemplate,
} from './prompt'
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
export { countSamples, countTargets, IGNORED_LABEL, type PlacedBranch, type Sample } from './sample'
export type { TemplateOptions } from './segments'
export { tokenizeRow, tokenizeTree, type TokenizeOptions } from './tokenize'
export { parseTokenizer, type TokenizerFiles } from './tokenizer-files'
export {
  createTextStream,
  createTokenizer,
  requireEos,
  type CreateTokenizerOptions,
  type EncodeOptions,
  type Tokenizer,
} from './tokenizer'
export { separateSamples, treeSamples, type Branch, type Tree } from './tree'
