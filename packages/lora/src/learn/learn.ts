// learn: a folder of documents becomes a model that answers from them. Stages, each with a file to read, edit and go on from.
import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '@jora/tensor/files'
import type { Comparison } from '../answer/compare'
import { contextStage } from './contexts'
import { draftStage } from './drafting'
import { evaluateStage } from './evaluating'
import { fileHash, Journal, keyOf, learnStages, type LearnStage } from './journal'
import type { Learned, LearnOptions, StageContext } from './options'
import { readStage } from './reading'
import { trainStage } from './training'
import { ConfigError } from '../settings/config-error'

/**
 * Reads documents, drafts or takes questions, builds contexts, trains, and asks base and tuned model the held-out questions.
 * Each stage leaves its file in `outputDir` ({@link learnStages}). A stage that was done from the same is not done again, so
 * a second call goes on where the first one stopped; a file that was edited is what later stages are made from.
 *
 * @throws ConfigError | DatasetError | EndpointError naming what is wrong; what was done is kept
 * @throws the signal's reason when it is aborted
 */
export async function learn(options: LearnOptions): Promise<Learned> {
  return (await learnUntil('evaluate', options)) as Learned
}

/**
 * Does the stages of {@link learn} up to one of them, which is the last.
 * @returns what they came to; undefined for those behind it
 * @throws as {@link learn}
 */
export async function learnUntil(
  last: LearnStage,
  options: LearnOptions,
): Promise<Pick<Learned, 'outputDir' | 'documents'> & Partial<Learned>> {
  const { outputDir, model, config, raft = {}, drafting = {}, questions, columns, retriever } = options
  const { finetuningType = 'lora' } = config.settings
  if (finetuningType !== 'lora')
    throw new ConfigError(
      `finetuningType is ${finetuningType}, expected lora: what is learned of documents is an adapter, which is compared with its base`,
      'finetuningType',
    )
  await makeFolder(outputDir)
  const journal = await Journal.open(outputDir)
  const path = (stage: LearnStage) => join(outputDir, learnStages[stage])
  const context: StageContext = { ...options, path }
  const { seed, split } = config.settings

  const stage = async <T>(name: LearnStage, key: string, run: () => Promise<T>): Promise<T> => {
    const known = existsSync(path(name)) ? journal.resultOf<T>(name, key) : undefined
    options.onStage?.(name, known !== undefined ? 'stands' : journal.isOther(name, key) ? 'again' : 'begins')
    if (known !== undefined) return known
    options.signal?.throwIfAborted()
    const result = await run()
    await journal.note(name, key, result)
    return result
  }

  const documents = await readStage(context, stage)
  const done = { outputDir, documents }
  if (last === 'read') return done
  const documentsHash = await fileHash(path('read'))
  const drafted = await stage(
    'draft',
    keyOf(
      documentsHash,
      questions === undefined ? drafting : await fileHash(questions),
      raft.chunkTokens,
      seed,
      ...(columns === undefined ? [] : [columns]),
    ),
    () => draftStage(context),
  )
  if (last === 'draft') return { ...done, questions: drafted }
  const mined = retriever === undefined ? [] : [retriever.name]
  const contexts = await stage(
    'contexts',
    keyOf(documentsHash, await fileHash(path('draft')), raft, seed, split, ...mined),
    () => contextStage(context),
  )
  if (last === 'contexts') return { ...done, questions: drafted, contexts }
  const trainKey = keyOf(await fileHash(path('contexts')), config.settings, await model.digest())
  // What is begun from other contexts is not gone on with, nor lost.
  const begun = journal.resultOf<{ begun: true }>('train', `begun ${trainKey}`)
  if (existsSync(path('train')) && begun === undefined && journal.resultOf('train', trainKey) === undefined)
    await setAside(path('train'))
  const device = lazily(options.openDevice)
  const training = await stage('train', trainKey, async () => {
    await journal.note('train', `begun ${trainKey}`, { begun: true })
    return trainStage(context, await device())
  })
  if (last === 'train') return { ...done, questions: drafted, contexts, training }
  let comparison: Comparison | undefined
  const evaluateKey = keyOf(trainKey, options.maxNewTokens, options.evalQuestions)
  const evaluation = await stage('evaluate', evaluateKey, async () => {
    const { figures, compared } = await evaluateStage(context, await device(), {
      key: evaluateKey,
      earlier: { documents, drafted, contexts, training },
    })
    comparison = compared
    return figures
  })
  return { ...done, questions: drafted, contexts, training, evaluation, ...(comparison && { comparison }) }
}

/** Keeps the last one of what is replaced. */
async function setAside(path: string): Promise<void> {
  await rm(`${path}-before`, { recursive: true, force: true })
  await rename(path, `${path}-before`)
}

/** Opened once, when it is first asked for. */
function lazily<T>(open: () => Promise<T>): () => Promise<T> {
  let opened: Promise<T> | undefined
  return () => (opened ??= open())
}
