// Finding runs and models under the roots: the nearest folders first, so many levels deep and no more than so many.
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'

const deepest = 4
const mostFolders = 5000
const skipped = new Set(['node_modules', 'checkpoints', '__pycache__'])

export interface Scan {
  /** Folders of runs, of a terminal or of this server. */
  readonly runs: readonly string[]
  /** Folders with a config.json. */
  readonly models: readonly string[]
}

export async function scanFolders(roots: readonly string[]): Promise<Scan> {
  const [runs, models]: string[][] = [[], []]
  let level = [...roots]
  let seen = 0
  for (let depth = 0; depth <= deepest && level.length > 0; depth++) {
    const below: string[] = []
    for (const folder of level) {
      if (++seen > mostFolders) return { runs: runs!, models: models! }
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
      // Links lead anywhere.
      const files = new Set(entries.filter((entry) => entry.isFile()).map(({ name }) => name))
      if (files.has('gui.json') || (files.has('run.json') && files.has('metrics.jsonl'))) runs!.push(folder)
      if (files.has('config.json')) models!.push(folder)
      for (const entry of entries)
        if (entry.isDirectory() && !entry.name.startsWith('.') && !skipped.has(entry.name))
          below.push(join(folder, entry.name))
    }
    level = below
  }
  return { runs: runs!, models: models! }
}
