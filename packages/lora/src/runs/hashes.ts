// Hashes that tell runs apart: of the model, of the samples, and of all that decides a run's course.
import { createHash } from 'node:crypto'
import type { Sample } from '@jora/data'
import { courseOf } from '../settings/derive'
import { trainingSettings } from '../settings/table/training'
import type { TrainConfig } from '../settings/train-config'

/** SHA-256 of what is trained on: file, template, split, limits, mix and the rows' length for trees all show in it. */
export function hashSamples(samples: readonly Sample[], rowTokens?: number): string {
  const hash = createHash('sha256')
  if (rowTokens !== undefined) hash.update(`rows of ${rowTokens}:`)
  for (const { ids, labels, branches } of samples) {
    hash.update(`${ids.length}:`).update(ids).update(labels)
    if (branches) hash.update(JSON.stringify(branches))
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
