// @jora/llama: Llama decoders on @jora/tensor.
export * from './portable'
export { loadConfig, loadModel, type Model } from './open/folder'
export {
  describeModel,
  openModel,
  type GgufDescription,
  type ModelDescription,
  type ModelRef,
  type OpenModel,
  type OpenModelOptions,
} from './open/open-model'
export {
  companionFiles,
  datasetNameOf,
  hubClient,
  HubError,
  hubSettings,
  resolveDataset,
  resolveModel,
  type DatasetName,
  type DownloadEvent,
  type HubSettings,
  type ResolvedDataset,
  type ResolveDatasetOptions,
  type ResolvedModel,
  type ResolveOptions,
} from './hub'
export { ggufDType, isLicence, modelFiles } from './save/model-files'
export { indexFile, planShards, shardIndex, type Shard } from './save/shards'
export { writeModel, type WrittenModel, type WrittenTensor } from './save/write-model'
export { importLlama2c, type ImportedLlama2c, type ImportLlama2cOptions } from './import/import-llama2c'
export { encoderShapes, encode, embed, type Encoder } from './encoder/model'
export { parseEncoderConfig, type EncoderConfig } from './encoder/config'
export { Embedder, type EmbedOptions, type EncoderTokens } from './encoder/embedder'
export { openEmbedder } from './encoder/open'
export {
  defaultEmbedder,
  openRetriever,
  vectorsDir,
  type OpenedRetriever,
  type RetrieverOptions,
} from './encoder/open-retriever'
export { readCollection, writeCollection, type Collection, type IndexEncoder } from './encoder/collection'
export { denseRetriever, type DenseOptions, type DenseRetriever } from './encoder/dense-retriever'
