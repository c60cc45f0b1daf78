// @jora/data: tokenizer, prompts, datasets and batches for fine-tuning.

export * from './portable'
export { loadRows, loadTokenizer } from './files'
