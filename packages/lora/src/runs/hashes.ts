// Hashes that tell runs apart: of the model, of the samples, and of all that decides a run's course.
import { createHash } from 'node:crypto'
import { samplesOf, type Sample, type Samples } from '@jora/data'
import { courseOf } from '../settings/derive'
import { trainingSettings } from '../settings/table/training'
import type { TrainConfig } from '../settings/train-config'

/** Samples that are in memory together while they are hashed. */
const readTogether = 256

/** SHA-256 of what is trained on: file, template, split, limits, mix and the rows' length for trees all show in it. */
export async function hashSamples(of: readonly Sample[] | Samples, rowTokens?: number): Promise<string> {
  const samples = samplesOf(of)
  const hash = createHash('sha256')
  if (rowTokens !== undefined) hash.update(`rows of ${rowTokens}:`)
  for (let from = 0; from < samples.length; from += readTogether) {
    const indices = Array.from({ length: Math.min(readTogether, samples.length - from) }, (_, i) => from + i)
    for (const { ids, labels, branches } of await samples.read(indices)) {
      hash.update(`${ids.length}:`).update(ids).update(labels)
      if (branches) hash.update(JSON.stringify(branches))
    }
  }
  return hash.digest('hex')
}

/** Changes when anything that decides the course of training does: settings, model or data. */
export function fingerprint(config: TrainConfig, model: string, data: string): string {
  const course = { lora: config.lora, ...courseOf(trainingSettings, { ...config }) }
  return createHash('sha256')
    .update(JSON.stringify([course, model, data]))
    .digest('hex')
    .slice(0, 16)
}
