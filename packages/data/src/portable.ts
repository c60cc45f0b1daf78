// The part of @jora/data that runs in a page too: all of it but reading files.

export { questionsOf, type AskedQuestion } from './asked'
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
export { parseCsv, type CsvOptions, type CsvRecord } from './csv'
export type { DecodeOptions, TextStream } from './decoder'
export { DatasetError, type DatasetErrorDetails, type RowOrigin } from './errors'
export { importFormats, type ImportFormat, type ImportFormatName } from './import/index'
export {
  countQuestions,
  tableFormats,
  type ImportColumns,
  type Imported,
  type ImportOptions,
  type InputFiles,
  type Refusal,
  type TableFormat,
} from './import/imported'
export { describeTokens, type TokenDescription, type TokenPart } from './preview'
export { countEpochSteps, planSteps, type BatchRow, type StepPlan, type StepPlanOptions } from './plan'
export {
  contextTemplates,
  parsePromptTemplate,
  promptTemplates,
  renderPrompt,
  type ContextTemplate,
  type PromptTemplate,
} from './prompt'
export { buildRaft, DEFAULT_REFUSAL, type RaftData, type RaftOptions, type RefusedQuestion } from './raft/build'
export { chunkDocument, type Chunk, type ChunkOptions } from './raft/chunk'
export { parseDocuments, type RaftDocument, type TableDocument, type TextDocument } from './raft/documents'
export { parseQuestions, type RaftQuestion } from './raft/questions'
export { Retriever, type Bm25Parameters, type Hit, type RetrievedText, type SearchOptions } from './raft/retriever'
export type { RaftStatistics, SideStatistics } from './raft/statistics'
export { parseTable, type Table } from './raft/table'
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
export { countSamples, countTargets, IGNORED_LABEL, reach, type PlacedBranch, type Sample } from './sample'
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
export { splitRows } from './split'
export { separateSamples, treeSamples, type Branch, type Tree } from './tree'
export { denotationMatch } from './metrics/denotation'
export { replyMatch, type ReplyMatch } from './metrics/reply'
export { exactMatch, f1, normalizeAnswer, squadExactMatch } from './metrics/squad'
export { scoreAnswer, summarizeAnswers, type AnswerScore, type AnswerSummary } from './metrics/summary'
