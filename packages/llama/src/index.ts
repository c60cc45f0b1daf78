// @jora/llama: Llama decoders on @jora/tensor.
export { ModelError, loadConfig, parseConfig, type LlamaConfig, type RopeScaling } from './config'
export {
  companionFiles,
  HubError,
  resolveModel,
  type DownloadEvent,
  type ResolvedModel,
  type ResolveOptions,
} from './hub'
export { Generator, type Generated, type GenerateOptions } from './generate'
export { loadModel, type Model } from './load'
export {
  decode,
  denseLinear,
  headWeight,
  logits,
  tokenLosses,
  type Decoder,
  type DecoderInput,
  type DecoderOutput,
  type LabelledRows,
  type LayerCache,
  type Linear,
  type Weights,
} from './model'
export { inverseFrequencies } from './rope-frequencies'
export { checkSampling, sampleToken, type SamplingOptions } from './sampling'
export { checkpointFiles, loadWeights, readCheckpoint, weightShapes, type StoredTensor } from './weights'
