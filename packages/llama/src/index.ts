// @jora/llama: Llama decoders on @jora/tensor.
export * from './portable'
export {
  checkpointFiles,
  loadConfig,
  loadModel,
  loadWeights,
  readCheckpoint,
  type Model,
  type StoredTensor,
} from './open/folder'
export {
  companionFiles,
  hubClient,
  HubError,
  hubSettings,
  resolveModel,
  type DownloadEvent,
  type HubSettings,
  type ResolvedModel,
  type ResolveOptions,
} from './hub'
export { importLlama2c, type ImportedLlama2c, type ImportLlama2cOptions } from './import/import-llama2c'
