// @jora/lora: LoRA fine-tuning.
export * from './portable'
export { readCardInfo, type CardOptions } from './card/card-info'
export { listCheckpoints, loadCheckpoint, saveCheckpoint, type SavedProgress } from './runs/checkpoint'
export { generateAlpacaDataset, modelFolder, type JoraDataset } from './train/dataset'
export { fingerprint, hashModel } from './runs/hashes'
/** @deprecated Import them from `@jora/tensor/files`; they leave this package with the next release. */
export { explainNoRoom, makeFolder, writeFileAtomic, writeFolderAtomic, writeJsonAtomic } from '@jora/tensor/files'
export { isLicence } from './card/licence'
export { openDevice, type DeviceOptions } from './open/open-device'
export { openMesh, readMesh, type Launcher, type MeshOptions } from './open/open-mesh'
export { savePeftAdapter } from './adapter/peft/peft-folder'
export { importAdapter, loadAdapter, readAdapter, type ImportAdapterOptions } from './adapter/read-adapter'
export { joraVersion, trainLora, TrainRun, type TrainOptions, type TrainSummary } from './train/train-lora'
