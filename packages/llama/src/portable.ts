// The part of @jora/llama that runs in a page too: all of it but folders and the Hub.
export {
  ModelError,
  parseConfig,
  textConfig,
  withStopIds,
  type DecoderConfig,
  type ModelType,
  type RopeScaling,
} from './config/config'
export { configJson } from './config/config-json'
export { stretchNames, stretchRope, type RopeStretch, type StretchName } from './config/stretch'
export { modelTypes } from './config/families'
export { architectureOf, interleavedHeads, tensorName } from './gguf/architectures'
export { modelFromBytes, type ModelBytes, type WeightFile } from './open/from-bytes'
export { Engine, type EngineOptions } from './generate/engine'
export { Generator, type ContextPrompts, type ProgramCounts } from './generate/generate'
export type { ScoredId, Token } from './generate/logprobs'
export type { Adapt, AdapterTensors, Generated, GenerateOptions } from './generate/options'
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
export type { TokenRows } from './token-rows'
export { inverseFrequencies } from './config/rope-frequencies'
export { checkSampling, sampleToken, type SamplingOptions } from './generate/sampling'
export { modelAxis, modelSplits, partitionPlan, weightSharding } from './partition'
export { answeringDType, chooseDType, type DTypeSetting } from './open/compute-dtype'
export { placeQuantised, quantisedPlan, type PutPart, type QuantisedPlan } from './open/quantised'
export { storedType, weightShapes } from './open/weights'
