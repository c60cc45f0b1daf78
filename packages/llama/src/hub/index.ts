// Models by folder or Hub id.

export type { DownloadEvent } from './download'
export { HubError, type HubErrorCode } from './error'
export { resolveModel, type ResolvedModel, type ResolveOptions } from './resolve'
export { parseWeightIndex, type WeightIndex } from './select'
