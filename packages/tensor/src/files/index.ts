// @jora/tensor/files, for Node: files and folders that are written whole or not at all; files read through one opening.

export { isSameFile, isStream } from './destination'
export { explainNoRoom } from './explain'
export {
  jsonLines,
  writeFileAtomic,
  writeJsonAtomic,
  writeLinesAtomic,
  writeStreamAtomic,
  type WriteOptions,
} from './file'
export { makeFolder, writeFolderAtomic } from './folder'
export { removeTemporaries, removeWhole, replaceAtomic } from './replace'
export type { FileSink } from './sink'
export { SharedFile } from './shared-file'
