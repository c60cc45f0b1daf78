// A folder of prepared samples: the samples, which of them are on which side, and what else a run is told of them.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  ChosenSamples,
  DatasetError,
  parseTemplateJson,
  type AskedQuestion,
  type DatasetStatistics,
  type PreparedRows,
  type PromptTemplate,
  type Samples,
} from '@jora/data'
import { writeJsonAtomic } from '@jora/tensor/files'
import { takenApart } from './apart-samples'
import { readNumbers, SampleFile, writeNumbers, type SampleFileWriter } from './sample-file'

/** Of what is prepared, all but the samples. */
export interface Prepared {
  readonly packing: 'none' | 'tree'
  readonly prompt: PromptTemplate
  readonly statistics: DatasetStatistics & { readonly train: DatasetStatistics; readonly heldOut: DatasetStatistics }
  readonly notes: readonly string[]
  readonly questions: readonly AskedQuestion[]
}

const preparedFile = 'prepared.json'
const sides = ['train', 'heldOut'] as const
const sideFile = (folder: string, side: (typeof sides)[number]): string => join(folder, `side-${side}.bin`)

/** Completes the folder of samples that `file` wrote. */
export async function completeKept(
  folder: string,
  file: SampleFileWriter,
  rows: PreparedRows,
  prepared: Prepared,
): Promise<void> {
  await file.finish()
  for (const side of sides) await writeNumbers(sideFile(folder, side), rows[side])
  await writeJsonAtomic(join(folder, preparedFile), prepared)
}

/** Samples of a folder; dispose them when done. */
export interface KeptSamples extends Disposable {
  readonly prepared: Prepared
  readonly train: Samples
  readonly heldOut: Samples
}

/** @throws DatasetError when the folder is not whole */
export async function openKept(folder: string, arePreferences: boolean): Promise<KeptSamples> {
  const prepared = await readPrepared(join(folder, preparedFile))
  const samples = await SampleFile.open(folder, arePreferences)
  const [train, heldOut] = await Promise.all(
    sides.map(async (side): Promise<Samples> => {
      const chosen = await readNumbers(sideFile(folder, side), Int32Array)
      return prepared.packing === 'tree' ? new ChosenSamples(samples, chosen) : await takenApart(samples, chosen)
    }),
  )
  return { prepared, train: train!, heldOut: heldOut!, [Symbol.dispose]: () => samples[Symbol.dispose]() }
}

async function readPrepared(file: string): Promise<Prepared> {
  try {
    const json = JSON.parse(await readFile(file, 'utf8')) as Prepared
    return { ...json, prompt: parseTemplateJson(json.prompt, file) }
  } catch (error) {
    throw new DatasetError({ file, problem: `${(error as Error).message}; remove the folder` })
  }
}
