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
export { measureLoss, type LossCost, type LossOptions } from './gguf/loss-cost'
export { exportOllama, modelfileText, type Modelfile, type OllamaOptions } from './ollama'
export { exportGguf, type GgufOptions, type GgufResult } from './gguf/export'
export {
  fileTypeNames as ggufFileTypes,
  type FileType as GgufFileType,
  type FileType as GgufTensorType,
} from './gguf/file-types'
export { GgufError } from '@jora/tensor/weights'
export { greedyWithLlamaCpp, tokenizeWithLlamaCpp, type GreedyOptions, type LlamaCppOptions } from './gguf/llama-cpp'
export { modelCard, readCardInfo, type CardInfo, type CardLora, type CardOptions, type CardTraining } from '@jora/lora'
