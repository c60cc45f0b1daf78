// @jora/data: tokenizer, prompts, datasets and batches for fine-tuning.

export { DatasetError, type DatasetErrorDetails, type RowOrigin } from './errors'
export { loadRows, loadTokenizer } from './files'
export { checkRow, parseRows, type AlpacaRow, type CompletionRow, type Row, type TokenRow } from './rows'
export {
  createTextStream,
  createTokenizer,
  requireEos,
  type CreateTokenizerOptions,
  type EncodeOptions,
  type Tokenizer,
} from './tokenizer'
export type { DecodeOptions, TextStream } from './decoder'
export { deriveSeed, Random, randomUint32, shuffle } from './random'
