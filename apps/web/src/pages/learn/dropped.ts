// The files of what is dropped, folders walked to their depths; and of a chooser of files or folders.

export interface Dropped {
  /** In the folder that was dropped, `/`-separated. */
  readonly path: string
  readonly file: File
}

/** Files that are no documents of anyone: of systems, editors and version control. */
const isNoise = (name: string): boolean => name.startsWith('.') || name === 'Thumbs.db' || name === 'node_modules'

const entriesOf = (folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> => {
  const reader = folder.createReader()
  const all: FileSystemEntry[] = []
  return new Promise((resolve, reject) => {
    // A reader gives some at a time, and none when all are told.
    const next = () =>
      reader.readEntries((some) => {
        if (some.length === 0) return resolve(all)
        all.push(...some)
        next()
      }, reject)
    next()
  })
}

async function walk(entry: FileSystemEntry, path: string, found: Dropped[]): Promise<void> {
  if (isNoise(entry.name)) return
  const here = path === '' ? entry.name : `${path}/${entry.name}`
  if (entry.isDirectory) {
    for (const each of await entriesOf(entry as FileSystemDirectoryEntry)) await walk(each, here, found)
    return
  }
  const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
  found.push({ path: here, file })
}

/** The files of a drop. Its items must be taken before anything is waited for. */
export async function filesOfDrop(transfer: DataTransfer): Promise<Dropped[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  const files = [...transfer.files]
  if (entries.length === 0) return files.map((file) => ({ path: file.name, file }))
  const found: Dropped[] = []
  for (const entry of entries) await walk(entry, '', found)
  return found
}

/** The files of a chooser; those of a folder have their path in it. */
export const filesOfInput = (files: readonly File[]): Dropped[] =>
  files
    .map((file) => ({ path: file.webkitRelativePath || file.name, file }))
    .filter(({ path }) => !path.split('/').some(isNoise))
