// What other clients of the Hub share with the download: settings, names, and requests that wait and retry.

export { sendWithRetries, type HubAccess } from './http'
export { ggufNameOf } from './gguf-files'
export { checkFileName, checkRevision, isCommit, isModelId, isPath } from './names'
export { expandHome, hubSettings, type HubSettings, type SettingsOptions } from './settings'
