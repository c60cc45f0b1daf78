// The part of @jora/lora that runs in a page too: all of it but files, checkpoints and the run that keeps them.
export { initAdapter, loraLinear, type Adapter, type LoraPair } from './adapter'
export { answerQuestions, type AnsweredQuestion, type AnswerOptions } from './answer'
export { chooseDType, type DTypeSetting } from './compute-dtype'
export { Evaluator, type Evaluation } from './evaluate'
export type { CheckpointEvent, DoneEvent, ErrorEvent, EvalEvent, StepEvent, TrainEvent } from './events'
export { defaultJoraSettings, JoraConfig, ParagemmaConfig, ParallamaConfig, type JoraSettings } from './jora-config'
export {
  ConfigError,
  defaultLoraConfig,
  loraRank,
  loraScaling,
  type LoraConfig,
  type LoraScale,
  type Patterns,
} from './lora-config'
export { modelCard, type CardInfo, type CardLora, type CardTraining } from './model-card'
export {
  anyProcess,
  batchSharding,
  checkDataParallel,
  dataGroups,
  fromFirst,
  joinForGroups,
  placeAdapter,
  writesFiles,
} from './on-mesh'
export {
  adamw,
  clipByGlobalNorm,
  globalNorm,
  initAdamW,
  stepNumbers,
  type AdamWConfig,
  type AdamWState,
} from './optimizer'
export {
  parsePeftAdapter,
  serializePeftAdapter,
  uploadAdapter,
  type AdapterArrays,
  type PeftAdapter,
  type PeftFiles,
} from './peft'
export { parsePeftConfig, peftConfig, type PeftConfig, type PeftInfo } from './peft-config'
export { peftName } from './peft-names'
export { samplesFromRows, type JoraSamples } from './samples'
export { learningRateAt, type ScheduleConfig, type SchedulerName } from './schedule'
export { adaptedModules, type AdaptedModule, type TargetSettings } from './target-modules'
export { defaultTrainConfig, type TrainConfig } from './train-config'
export { countSteps, runTraining, type Progress, type TrainInputs, type TrainResult } from './trainer'
export { initState, TrainingStep, type StepConfig, type StepResult, type TrainState } from './training-step'
