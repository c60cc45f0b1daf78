// @jora/hf-export: JORA adapters as models other programs load.
export { mergeAdapter, type MergeOptions, type MergeResult } from './merge'
