// @jora/gui: the server behind the page. Schemas are in @jora/gui/api, the client for pages in @jora/gui/client.
export { GuiError, startGui, type Gui, type GuiOptions } from './start-gui'
export type { Command } from './process/command'
export type { BundledDataset } from './server/services'
