// @jora/lora: LoRA fine-tuning.
export * from './portable'
export { readCardInfo, type CardOptions } from './card/card-info'
export {
  bestCheckpoint,
  listCheckpoints,
  loadCheckpoint,
  saveCheckpoint,
  type EvaluatedCheckpoint,
  type SavedProgress,
} from './runs/checkpoint'
export { samplesDir } from './datasets/sample-cache'
export type { PrepareEvent } from './datasets/progress'
export { streamDataset, type StreamedDataset, type StreamOptions } from './datasets/stream-dataset'
export { columnsOf, evalSplits, type DatasetOptions, type JoraDataset } from './datasets/options'
export { generateAlpacaDataset } from './datasets/dataset'
export {
  checkDatasets,
  datasetNames,
  loadDatasets,
  mixDatasets,
  type LoadDatasetOptions,
  type MixOptions,
} from './datasets/load-datasets'
export { adapterStateBytes, estimateStep, type EstimateOptions, type StepEstimate } from './estimate/estimate'
export { attentionFlops, flopsFormula, flopsLegend, multipliedWeights, stepFlops } from './estimate/flops'
export {
  assumedMemoryBytes,
  needsCheckpointing,
  plannedModel,
  plannedShape,
  type PlannedModel,
  type PlannedOn,
  type StepPlan,
} from './estimate/plan'
export { processMemory, recomputedLayers } from './estimate/recomputed-layers'
export { StepLoop, type Workload } from './estimate/workload'
export { trainingDType, type TrainedKind } from './train/training-dtype'
export { openAnswerers, type AskedModel, type OpenAnswerers, type OpenAnswerersOptions } from './answer/open'
export { load, type Answering, type Loaded, type LoadOptions, type QuestionOptions } from './answer/load'
export { hashModel, modelFolder } from './earlier'
export { fingerprint } from './runs/hashes'
/** @deprecated Import them from `@jora/tensor/files`; they leave this package with the next release. */
export { explainNoRoom, makeFolder, writeFileAtomic, writeFolderAtomic, writeJsonAtomic } from '@jora/tensor/files'
/** @deprecated Import it from `@jora/llama`; it leaves this package with the next release. */
export { isLicence } from '@jora/llama'
export { controlFile, LogReader, LogWriter, metricsFile, readLog, type NewLines } from './runs/log'
/** @deprecated Import them from `@jora/shard/open`; they leave this package with the next release. */
export { openDevice, openMesh, type DeviceOptions, type Launcher, type MeshOptions } from '@jora/shard/open'
/** @deprecated It is `parseMesh` of `@jora/shard`; this name leaves with the next release. */
export { parseMesh as readMesh } from '@jora/shard'
export { stretchedModel, stretchOfRun } from './settings/rope-scaling'
export {
  baseAsTrained,
  baseOfAdapter,
  checkBase,
  keptChatTemplate,
  promptFile,
  promptEnds,
  promptFor,
  readPrompt,
  ropeStretchOf,
  templateOfRun,
  writePrompt,
  type AdapterBase,
  type AdapterPrompt,
  type PromptEnds,
  type PromptSource,
} from './adapter/prompt-file'
export {
  combineAdapterFolders,
  combineAdapters,
  type CombinationName,
  type CombineFoldersOptions,
  type CombineOptions,
  type WeightedAdapter,
} from './adapter/combine'
export { readTaken } from './adapter/loftq/files'
export { savePeftAdapter } from './adapter/peft/peft-folder'
export { importAdapter, loadAdapter, readAdapter, type ImportAdapterOptions } from './adapter/read-adapter'
export type { TrainRun } from './train/iterable-run'
export { joraVersion, stepsOfRun, trainLora, type TrainOptions } from './train/train-lora'
export type { TrainSummary } from './train/train-summary'
export { learn, learnUntil } from './learn/learn'
export type {
  ContextFigures,
  DocumentFigures,
  EarlierFigures,
  EvaluationFigures,
  LearnDrafter,
  Learned,
  LearnOptions,
  LearnProgress,
  QuestionFigures,
  TrainFigures,
} from './learn/options'
export { learnStages, type LearnStage } from './learn/journal'
export { planLearning, type LearnPlan } from './learn/plan'
export { estimateText, reportNotes, scoreLabels, scoreRows } from './learn/report'
export {
  compareTuned,
  type ComparedQuestion,
  type CompareOptions,
  type Comparison,
  type Scores,
} from './answer/compare'
export { readRun, seriesOf, type Point, type RunRecord } from './logs/record'
export { runCsv } from './logs/csv'
export { runHtml } from './logs/html'
export { eventFileName, tensorboardEvents } from './logs/tensorboard'
