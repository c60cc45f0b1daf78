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
} from './folder'
export {
  companionFiles,
  HubError,
  resolveModel,
  type DownloadEvent,
  type ResolvedModel,
  type ResolveOptions,
} from './hub'
