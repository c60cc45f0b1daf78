// @jora/hf-export: JORA adapters as models other programs load.
export { checkMerged, checkPeft, type CheckMergedOptions, type FolderReport } from './check-merged'
export { ExportError } from './export-error'
export { mergeAdapter, type MergeOptions, type MergeResult } from './merge'
export { pushToHub } from './hub/push'
export type {
  CommitEvent,
  PlanEvent,
  PushedFile,
  PushEvent,
  PushOptions,
  PushResult,
  SentEvent,
} from './hub/push-options'
export { exportGgufAdapter, type GgufAdapterOptions } from './gguf/adapter'
export { checkGguf, checkGgufAdapter, type GgufReport } from './gguf/check'
export { compareWithLlamaCpp, type ComparedPrompt, type CompareOptions, type Comparison } from './gguf/compare'
export { exportGguf, type GgufOptions, type GgufResult } from './gguf/export'
export { GgufError, type PackedType as GgufTensorType } from '@jora/tensor/weights'
export { greedyWithLlamaCpp, tokenizeWithLlamaCpp, type GreedyOptions, type LlamaCppOptions } from './gguf/llama-cpp'
export { modelCard, readCardInfo, type CardInfo, type CardLora, type CardOptions, type CardTraining } from '@jora/lora'
