// The part of @jora/data that runs in a page too: all of it but reading files.

export { questionsOf, type AskedQuestion } from './prompt/asked'
export { epochOrder, planBatches, type BatchPlan, type PlanOptions } from './trees/batches'
export { ChatTemplate, chatTemplateOf, type UserFrame } from './prompt/chat'
export { collate, readBatch, type Batch, type CollateOptions, type PackedRows } from './trees/collate'
export { paddedLength } from './trees/padding'
export {
  checkedOptions,
  chosenTemplate,
  prepareDataset,
  type PreparedDataset,
  type PrepareOptions,
} from './rows/dataset'
export { Numbers } from './prepare/numbers'
export { drawMixed, prepareRows, type PreparedRows, type PrepareRowsOptions } from './prepare/prepared'
export { RowAdder, type LearnedRow } from './prepare/learned-rows'
export { RowKeys } from './prepare/row-keys'
export { packings, type DatasetStatistics, type OverflowPolicy, type Packing } from './prepare/terms'
export { TokenisedRows, type SampleSink, type TokeniseOptions } from './prepare/tokenised-rows'
export { parseCsv, type CsvOptions, type CsvRecord } from './rows/csv'
export type { DecodeOptions, TextStream } from './tokenizer/decoder'
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
export { describeTokens, type TokenDescription, type TokenPart } from './prompt/preview'
export {
  countEpochSteps,
  packSamples,
  planSteps,
  type BatchRow,
  type StepPlan,
  type StepPlanOptions,
} from './trees/plan'
export { planShapes, shapeFor, type BatchShape, type ShapeOptions } from './trees/shapes'
export { renderPrompt } from './prompt/prompt'
export { toJinja } from './prompt/to-jinja'
export { goTemplate, type GoTemplate } from './prompt/go-template'
export {
  answerOf,
  type Answer,
  type Answerer,
  type AnswerOptions,
  type Embeddings,
  type LikelyToken,
  type Passage,
  type Piece,
  type TokenLogprob,
  type ToolCall,
} from './answer/answerer'
export { ToolCallText, type Called } from './answer/tool-calls'
export { BudgetError, Endpoint, EndpointError, type EndpointOptions, type EndpointUse } from './answer/endpoint'
export { documentRetriever, findPassages, passageFinder, retrieving, type RetrievalOptions } from './answer/retrieving'
export { StopText } from './answer/stop-text'
export { askedIds, type Ask, type AskedIds } from './prompt/ask'
export {
  addKind,
  choosePromptTemplate,
  noKinds,
  contextTemplateOf,
  contextTemplates,
  parsePromptTemplate,
  parseTemplateJson,
  promptChoices,
  promptTemplate,
  promptTemplates,
  stopIdsOf,
  stopTextsOf,
  type ContextTemplate,
  type Frames,
  type PromptChoice,
  type PromptTemplate,
  type PromptTemplateName,
  type RowKinds,
} from './prompt/template'
export {
  buildRaft,
  buildRaftWith,
  raftStages,
  type RaftData,
  type RaftOptions,
  type RaftRunOptions,
  type RaftStage,
  type RaftWork,
  type RefusedQuestion,
} from './raft/build'
export type { Kept, KeptIndexParts, List } from './work/kept'
export type { CorpusWork } from './raft/corpus'
export type { KeptChunk } from './raft/chunk-list'
export type { IndexContent, IndexParts, TermIndex } from './retrieval/term-index'
export type { Entries, EntryArrays, EntrySink, Postings } from './retrieval/entries'
export { chunkDocument, type Chunk, type ChunkOptions } from './raft/chunk'
export { chunkDocuments, type ChunkAllOptions } from './raft/corpus'
export type { Block } from './documents/blocks'
export {
  parseDocuments,
  type BlockDocument,
  type RaftDocument,
  type TableDocument,
  type TextDocument,
} from './raft/documents'
export { parseQuestions, type RaftQuestion } from './raft/questions'
export { Bm25Index, type Bm25Parameters, type Hit, type RetrievedText, type SearchOptions } from './retrieval/lexical'
export {
  Retriever,
  retrieverNames,
  type BestOptions,
  type OpenRetriever,
  type Ranking,
  type RetrieverName,
} from './retrieval/retriever'
export {
  bm25Retriever,
  fusedRetriever,
  openBm25,
  scoredRetriever,
  type FusionOptions,
  type Scorer,
} from './retrieval/retrievers'
export type { RankedText } from './retrieval/best-first'
export type { RaftStatistics, SideStatistics } from './raft/statistics'
export { parseTable, type Table } from './raft/table'
export { deriveSeed, Random, randomUint32, shuffle } from './random'
export {
  answerMetrics,
  chatRoles,
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
} from './rows/row-formats'
export { blocksText } from './documents/blocks'
export { markdownBlocks } from './documents/formats/markdown-blocks'
export { columnsExpected, parseColumns, type Columns } from './rows/qa/columns'
export { DEFAULT_REFUSAL } from './rows/refusal'
export { checkRow, type RowFormatName } from './rows/check-row'
export { unusedKeysNote, type CheckOptions } from './rows/fields'
export { decodeWhole } from './records/decode'
export { parseJsonFile } from './records/json-file'
export { RecordReader, type RecordItem } from './records/records'
export { findUnfit } from './records/unfit-text'
export { parseRows, recordRow, type RowOptions } from './rows/rows'
export { countSamples, countTargets, IGNORED_LABEL, reach, type PlacedBranch, type Sample } from './trees/sample'
export type { TemplateOptions } from './prompt/segments'
export { tokenizeRow, tokenizeTree, tokenizeTurns, type TokenizeOptions } from './prompt/tokenize'
export { TokenIdError, withinEmbedding } from './tokenizer/embedding'
export { TokenizerError } from './tokenizer/json-place'
export { parseTokenizer, tokenizerFileNames, type TokenizerFiles } from './tokenizer/tokenizer-files'
export {
  createTextStream,
  createTokenizer,
  requireEos,
  type CreateTokenizerOptions,
  type EncodeOptions,
  type Tokenizer,
} from './tokenizer/tokenizer'
export {
  splitKeysOf,
  splitNotes,
  splitRows,
  splitSides,
  type RowSides,
  type RowSplit,
  type SplitKeys,
} from './rows/split'
export {
  ChosenSamples,
  countAll,
  figuresOf,
  largest,
  noSample,
  samplesOf,
  type PlannedSample,
  type SampleFigures,
  type Samples,
} from './trees/samples'
export { branchSamples, separateSamples, treeSamples, type Branch, type Tree } from './trees/tree'
export { denotationMatch } from './metrics/denotation'
export { replyMatch, type ReplyMatch } from './metrics/reply'
export { memoryCache, type ReplyCache } from './drafts/cache'
export { draftKinds, draftLine, parseDrafts, withReviews, type Draft, type DraftKind } from './drafts/draft'
export {
  draftQuestions,
  type Drafted,
  type Drafter,
  type DrafterOptions,
  type DraftOptions,
} from './drafts/draft-questions'
export { exactMatch, f1, normalizeAnswer, squadExactMatch } from './metrics/squad'
export { bootstrap, type Estimate } from './metrics/bootstrap'
export type { Grounds } from './metrics/grounding'
export {
  estimateAnswers,
  scoreAnswer,
  scoreNames,
  summarizeAnswers,
  type AnswerScore,
  type AnswerSummary,
  type ScoreName,
} from './metrics/summary'
export { checkJudged, checkPair, type JudgedRow, type PreferencePair } from './preference/rows'
export { prepareJudged, preparePairs, type PreferenceOptions, type PreparedPreferences } from './preference/samples'
export { treeOfTwo, type PreferenceSample } from './preference/two'
