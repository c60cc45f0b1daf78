// @jora/data: tokenizer, prompts, datasets and batches for fine-tuning.

export * from './portable'
export {
  loadChecked,
  loadRows,
  loadTokenizer,
  readBytes,
  readChunks,
  readText,
  readTextIfThere,
  type ReadOptions,
} from './rows/files'
export { isTableFile, recordsOfFile } from './rows/sources'
export { importDataset, type ImportSink } from './import/import-dataset'
export {
  listDocuments,
  questionRecords,
  readDocuments,
  readQuestions,
  type ReadDocumentsOptions,
  type ReadQuestionsOptions,
  type SkippedDocument,
} from './documents/read-documents'
export { openReplyCache } from './drafts/cache-file'
