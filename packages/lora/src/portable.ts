// The part of @jora/lora that runs in a page too: all of it but files, checkpoints and the run that keeps them.
export {
  initAdapter,
  lowRankOf,
  startAdapter,
  trainedNumbers,
  type Adapter,
  type LoraPair,
  type LowRankAdapter,
} from './adapter/adapter'
export {
  adapterArgument,
  argumentLinear,
  loraLinear,
  withAdapter,
  withArgument,
  type AdapterArgument,
} from './adapter/apply'
export type { AdapterArrays, HostMatrix, LowRankArrays, ModuleArrays } from './adapter/host'
export { methodOf } from './adapter/methods'
export {
  isLowRank,
  type AdaptedLayer,
  type AdapterMethod,
  type ModuleParts,
  type Parts,
  type PartName,
  type Replaced,
} from './adapter/methods/method'
export type { ReplacedArgument } from './adapter/replaced/apply'
export { fitBase, fittedSource, fittedWeight, originalWeight } from './adapter/loftq/base'
export { replacedWeights, type ReplacedWeight } from './adapter/replaced/merge'
export { LocalAnswerer, type LocalModel } from './answer/local'
export { answerQuestions, type AnsweredQuestion, type KeptAnswer, type ScoreOptions } from './answer/scored'
export { chooseDType, type DTypeSetting } from '@jora/llama'
export { Evaluator, type EvaluateOptions, type Evaluation } from './train/evaluate'
export type {
  AnswerFigures,
  BeginEvent,
  CheckpointEvent,
  ControlEvent,
  DoneEvent,
  ErrorEvent,
  EvalEvent,
  RunEvent,
  StepEvent,
  TrainEvent,
} from './runs/events'
export { completeLines, parseLine } from './runs/lines'
export {
  allows,
  fold,
  newRun,
  outcomeOf,
  speedOf,
  transitions,
  type ProcessEnd,
  type RunSnapshot,
  type RunState,
} from './runs/state'
export {
  defaultJoraSettings,
  JoraConfig,
  ParagemmaConfig,
  ParallamaConfig,
  type GivenSettings,
  type JoraSettings,
} from './settings/jora-config'
export {
  ConfigError,
  defaultLoraConfig,
  loraRank,
  loraScaling,
  methodName,
  wholeOf,
  type LoraConfig,
  type LoraScale,
  type MethodName,
  type Patterns,
  type WholeSettings,
} from './settings/lora-config'
export { wholeModules, type WholeModule, type WholeWeights } from './adapter/whole/weights'
export { modelCard, type CardInfo, type CardLora, type CardTraining } from './card/model-card'
export {
  anyProcess,
  batchSharding,
  checkDataParallel,
  dataGroups,
  fromFirst,
  joinForGroups,
  placeAdapter,
  writesFiles,
} from './train/on-mesh'
/** @deprecated Import them from `@jora/tensor`; they leave this package with the next release. */
export {
  adamw,
  clipByGlobalNorm,
  globalNorm,
  initAdamW,
  learningRateAt,
  stepNumbers,
  type AdamWConfig,
  type AdamWState,
  type ScheduleConfig,
  type SchedulerName,
} from '@jora/tensor'
export {
  parsePeftAdapter,
  serializePeftAdapter,
  uploadAdapter,
  type PeftAdapter,
  type PeftFiles,
} from './adapter/peft/peft'
export { parsePeftConfig, peftConfig, type PeftConfig, type PeftInfo } from './adapter/peft/peft-config'
export { peftName } from './adapter/peft/peft-names'
export { samplesFromRows, type JoraSamples, type SampleList } from './train/samples'
export {
  adaptedModules,
  checkPatterns,
  rankNote,
  type AdaptedModule,
  type TargetSettings,
} from './adapter/target-modules'
export { watchNothing, type WatchRule } from './settings/watch-rule'
export { scoreOf, type ScoreMetric, type WatchMetric } from './settings/table/watching'
export type { BestEvaluation, Watched } from './train/watch/watching'
export { defaultTrainConfig, type TrainConfig } from './settings/train-config'
export { countSteps } from './train/batches/run-plan'
export { runTraining, type Progress, type TrainInputs, type TrainResult } from './train/trainer'
export { initState, TrainingStep, type StepConfig, type StepResult } from './train/step/training-step'
export type { SlotName, TrainState } from './train/step/train-state'
export { preferences } from './train/objectives/preferences'
export type { ObjectiveName, Pairs, Preference, PreferenceBatch, PreferenceName } from './train/objectives/objective'
