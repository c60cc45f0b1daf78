// Models and data sets by path or Hub id.

export * as hubClient from './client'
export { resolveDataset, type ResolvedDataset, type ResolveDatasetOptions } from './dataset'
export { datasetNameOf, type DatasetName } from './dataset-files'
export type { DownloadEvent } from './download'
export { HubError } from './error'
export { folderModel, resolveModel, type ResolvedModel, type ResolveOptions } from './resolve'
export { hubSettings, type HubSettings } from './settings'
export { companionFiles } from './select'
