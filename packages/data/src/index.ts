// @jora/data: tokenizer, prompts, datasets and batches for fine-tuning.

export * from './portable'
export {
  loadChecked,
  loadRows,
  streamChecked,
  streamRows,
  loadTokenizer,
  readBytes,
  readChunks,
  readText,
  readTextIfThere,
  type ReadOptions,
} from './rows/files'
export { isCellsFile, isTableFile, recordsOfFile } from './rows/sources'
export { importDataset, type ImportSink } from './import/import-dataset'
export {
  listDocuments,
  questionRecords,
  readDocuments,
  readQuestions,
  keepDocuments,
  type FileRead,
  type KeptDocuments,
  type ReadDocumentsOptions,
  type ReadQuestionsOptions,
  type SkippedDocument,
} from './documents/read-documents'
export { documentsDigest, fileDigest } from './documents/digest'
export { openReplyCache } from './drafts/cache-file'
export { openRaftWork, type KeptRaftWork, type RaftInputs } from './work/raft-work'
export { WorkFolder } from './work/work-folder'
