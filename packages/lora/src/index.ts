// @jora/lora: LoRA fine-tuning.
export * from './portable'
export { listCheckpoints, loadCheckpoint, saveCheckpoint, type SavedProgress } from './checkpoint'
export { generateAlpacaDataset, modelFolder, type JoraDataset } from './dataset'
export { makeFolder, writeFileAtomic, writeFolderAtomic, writeJsonAtomic } from './files'
export { fingerprint, hashModel } from './hashes'
export { openDevice, type DeviceOptions } from './open-device'
export { loadPeftAdapter, readPeftAdapter, savePeftAdapter } from './peft-folder'
export { joraVersion, trainLora, TrainRun, type TrainOptions, type TrainSummary } from './train-lora'
