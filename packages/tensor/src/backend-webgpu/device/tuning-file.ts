// Measured tile sizes in the user's cache folder: one JSON file, by adapter.
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { writeFileAtomicSync } from '../../files/file'
import type { TuningStore } from './tuning'

type Choices = Readonly<Record<string, number>>

const cacheFile = (): string =>
  join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'jora', 'webgpu-tiles.json')

/** What the file holds; nothing when it cannot be read: it is a cache. */
function readAll(): Record<string, Choices> {
  try {
    const all: unknown = JSON.parse(readFileSync(cacheFile(), 'utf8'))
    return typeof all === 'object' && all !== null ? (all as Record<string, Choices>) : {}
  } catch {
    return {}
  }
}

export const tuningFile: TuningStore = {
  load(adapter) {
    const choices = readAll()[adapter] ?? {}
    return Object.fromEntries(Object.entries(choices).filter(([, choice]) => Number.isInteger(choice) && choice >= 0))
  },
  save(adapter, choices) {
    try {
      writeFileAtomicSync(cacheFile(), JSON.stringify({ ...readAll(), [adapter]: choices }, undefined, 1))
    } catch {
      // A cache that cannot be written costs a second the next time.
    }
  },
}
