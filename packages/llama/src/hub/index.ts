// Models by folder or Hub id.

export * as hubClient from './client'
export type { DownloadEvent } from './download'
export { HubError } from './error'
export { folderModel, resolveModel, type ResolvedModel, type ResolveOptions } from './resolve'
export { hubSettings, type HubSettings } from './settings'
export { companionFiles } from './select'
