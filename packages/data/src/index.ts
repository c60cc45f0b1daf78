// @jora/data: tokenizer, prompts, datasets and batches for fine-tuning.

export * from './portable'
export { loadRows, loadTokenizer, readText } from './rows/files'
export { importDataset } from './import/read-folder'
export { readDocuments, readQuestions } from './raft/read-sources'
