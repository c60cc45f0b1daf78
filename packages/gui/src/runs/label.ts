// What people call a run and note of it: label.json in its folder, for runs of a terminal too.
import { readFile, rm } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { writeJsonAtomic } from '@jora/tensor/files'
import { runLabelSchema, type RunLabel } from '../api'
import type { Roots } from '../files/roots'
import { Failure } from '../server/failure'

const labelFile = 'label.json'

/** Nothing where there is none, or none that can be read. */
export async function readLabel(folder: string): Promise<RunLabel> {
  try {
    return runLabelSchema.parse(JSON.parse(await readFile(join(folder, labelFile), 'utf8')))
  } catch {
    return {}
  }
}

export const writeLabel = (folder: string, label: RunLabel): Promise<void> =>
  writeJsonAtomic(join(folder, labelFile), label)

/**
 * Deletes a run's folder with all that is in it.
 * @param roots folders that are shown, none of which goes with it
 * @throws Failure for a folder that holds more than a run
 */
export async function deleteFolder(folder: string, { roots }: Pick<Roots, 'roots'>): Promise<void> {
  if (roots.some(({ path }) => path === folder || path.startsWith(folder + sep)))
    throw new Failure(
      'conflict',
      `${folder} is one of the folders that this page shows, not only a run: delete its files by hand.`,
    )
  await rm(folder, { recursive: true, force: true })
}
