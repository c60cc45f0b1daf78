// @jora/lora: LoRA fine-tuning.
export { initAdapter, loraLinear, type Adapter, type LoraPair } from './adapter'
export { listCheckpoints, loadCheckpoint, saveCheckpoint, type Progress } from './checkpoint'
export { generateAlpacaDataset, modelFolder, type JoraDataset } from './dataset'
export { Evaluator, type Evaluation } from './evaluate'
export type { CheckpointEvent, DoneEvent, ErrorEvent, EvalEvent, StepEvent, TrainEvent } from './events'
export { makeFolder, writeFileAtomic, writeFolderAtomic, writeJsonAtomic } from './files'
export { defaultJoraSettings, JoraConfig, ParagemmaConfig, ParallamaConfig, type JoraSettings } from './jora-config'
export {
  adaptedModules,
  ConfigError,
  defaultLoraConfig,
  loraScaling,
  type AdaptedModule,
  type LoraConfig,
} from './lora-config'
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
  loadPeftAdapter,
  parsePeftConfig,
  peftConfig,
  peftName,
  readPeftAdapter,
  savePeftAdapter,
  type AdapterArrays,
  type PeftInfo,
} from './peft'
export { hashModel } from './run-directory'
export { learningRateAt, type ScheduleConfig, type SchedulerName } from './schedule'
export { defaultTrainConfig, fingerprint, type TrainConfig } from './train-config'
export { joraVersion, openDevice, trainLora, TrainRun, type TrainOptions, type TrainSummary } from './train-lora'
export { countSteps, planSteps, runTraining, type TrainInputs, type TrainResult } from './trainer'
export { initState, TrainingStep, type StepConfig, type StepResult, type TrainState } from './training-step'
