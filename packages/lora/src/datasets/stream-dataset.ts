// Rows of files as samples, read one by one: few samples stay in memory, many go to a file that steps read from.
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  branchSamples,
  checkedOptions,
  ChosenSamples,
  chosenTemplate,
  concatenated,
  DatasetError,
  drawMixed,
  parseTemplateJson,
  prepareRows,
  questionsOf,
  requireEos,
  RowAdder,
  RowKeys,
  TokenisedRows,
  unusedKeysNote,
  type AskedQuestion,
  type DatasetStatistics,
  type PreparedRows,
  type PromptTemplate,
  type RowOrigin,
  type Sample,
  type Samples,
  type SampleSink,
} from '@jora/data'
import type { ModelDescription } from '@jora/llama'
import { writeJsonAtomic } from '@jora/tensor/files'
import packageJson from '../../package.json' with { type: 'json' }
import { takenApart } from './apart-samples'
import { RowFiles } from './row-files'
import { rowLists } from './row-lists'
import { cacheKey, isCached, samplesDir, tokenizerDigest, writeCached } from './sample-cache'
import { readNumbers, SampleFile, SampleFileWriter, writeNumbers } from './sample-file'
import type { JoraConfig } from '../settings/jora-config'
import { columnsOf, evalSplits, type DatasetOptions, type JoraDataset } from './options'
import type { SampleList } from '../train/samples'
import { sampleIndices } from '../train/watch/answer-scores'

/** How far the preparing of rows has come. */
export interface PrepareEvent {
  /** Rows are read for the split first, and tokenised then. */
  readonly stage: 'reading' | 'tokenising'
  /** Bytes of the files that are read in this stage, of all. */
  readonly doneBytes: number
  readonly totalBytes: number
}

/** How rows are prepared. */
export interface StreamOptions extends DatasetOptions {
  /** Bytes of samples that stay in memory (default 256 MiB); of more, all are in a file. */
  readonly memoryBytes?: number | undefined
  /** Folder of such files (default: that of `samplesDir`); each is used again by a run of the same rows and settings. */
  readonly cacheDir?: string | undefined
  /** Called as files are read. */
  readonly onPrepare?: ((event: PrepareEvent) => void) | undefined
}

/** A data set whose samples are in memory or in a file. Dispose it when done with them. */
export interface StreamedDataset extends JoraDataset<SampleList>, Disposable {}

/** Samples that stay in memory unless told otherwise. */
const defaultMemoryBytes = 2 ** 28

/** Beside its ids and labels, what a sample in memory takes, roughly. */
const sampleBytes = 300

/** Of what is prepared, all but the samples. */
interface Prepared {
  readonly packing: 'none' | 'tree'
  readonly prompt: PromptTemplate
  readonly statistics: DatasetStatistics & { readonly train: DatasetStatistics; readonly heldOut: DatasetStatistics }
  readonly notes: readonly string[]
  readonly questions: readonly AskedQuestion[]
}

/** Samples in memory, until they are too many. */
class SampleStore implements SampleSink {
  readonly held: Sample[] = []
  #bytes = 0
  #file: SampleFileWriter | undefined
  readonly #allowance: number

  constructor(allowance: number) {
    this.#allowance = allowance
  }

  get length(): number {
    return this.#file?.length ?? this.held.length
  }

  get isFull(): boolean {
    return this.#file === undefined && this.#bytes > this.#allowance
  }

  add(sample: Sample): void {
    if (this.#file) return this.#file.add(sample)
    this.held.push(sample)
    this.#bytes += sample.ids.byteLength + sample.labels.byteLength + sampleBytes
  }

  /** From now on samples go to a file, and those that are here first. */
  moveTo(file: SampleFileWriter): void {
    for (const sample of this.held.splice(0)) file.add(sample)
    this.#file = file
  }
}

/**
 * As `generateAlpacaDataset`, of files of any size: rows are read twice, one at a time, first for the split and then to be
 * tokenised. The samples, their order and the run are the same wherever the samples are.
 * @throws DatasetError naming file, row and key; ConfigError or an error of `openModel` when the model cannot be used
 */
export const streamDataset = (
  path: string,
  part: 'train' | 'test',
  config: JoraConfig,
  model: Pick<ModelDescription, 'tokenizer' | 'config' | 'ref' | 'gguf'>,
  { memoryBytes = defaultMemoryBytes, cacheDir = samplesDir(), ...options }: StreamOptions = {},
): Promise<StreamedDataset> =>
  prepareFiles(path, part, config, model, options, {
    memoryBytes,
    cacheDir,
    tokenizerDigest: () => tokenizerDigest(model),
  })

/** Where samples go that are too many for memory. */
interface SampleRoom {
  readonly memoryBytes: number
  readonly cacheDir: string
  readonly tokenizerDigest: () => Promise<string>
}

/** Prepares the rows of files; without `room` all samples stay in memory. @throws what {@link streamDataset} throws */
export async function prepareFiles(
  path: string,
  part: 'train' | 'test',
  config: JoraConfig,
  model: Pick<ModelDescription, 'tokenizer' | 'config'>,
  options: Omit<StreamOptions, 'cacheDir' | 'memoryBytes'>,
  room?: SampleRoom,
): Promise<StreamedDataset> {
  const { settings } = config
  const { onDownload, signal } = options
  const isPreference = (settings.objective ?? 'sft') !== 'sft'
  requireEos(model.tokenizer)
  const preparing = checkedOptions({
    tokenizer: model.tokenizer,
    template: settings.promptTemplate,
    contextTemplate: settings.contextTemplate,
    packing: isPreference ? ('tree' as const) : settings.packing,
    maxSeqLength: settings.maxSeqLength,
    onOverflow: settings.onOverflow,
    split: settings.split,
    seed: settings.seed,
    vocabSize: model.config.vocabSize,
    mix: settings.alpacaMix,
  })
  const unused = new Set<string>()
  const files = await RowFiles.open({
    dataset: path,
    evalDataset: settings.evalDataset,
    mixFile: settings.alpacaMixFile,
    objective: settings.objective,
    reading: { columns: columnsOf(settings.columns), onUnusedKey: (key) => void unused.add(key) },
    hub: { onProgress: onDownload, signal },
    evalSplits,
  })
  const told = progressOf(files.bytes, options.onPrepare)

  // First what the split and the template go by.
  const hash = createHash('sha256')
  const keys = new RowKeys()
  let first: RowOrigin | undefined
  const reading = told('reading')
  for await (const [{ row }] of files.each({
    onBytes: (bytes) => {
      hash.update(bytes)
      reading(bytes)
    },
  })) {
    signal?.throwIfAborted()
    first ??= row.origin
    keys.add(row)
  }
  if (keys.length === 0) throw new DatasetError({ file: path, problem: 'the dataset is empty; expected at least one row' })
  const digest = hash.digest('hex')
  const { sets, heldOut, mixed } = files
  const weights = settings.datasetWeights?.split(',').map(Number)
  const lists = rowLists(keys, sets, { weights, heldOut, split: settings.split, seed: settings.seed })
  const prompt = chosenTemplate(preparing, keys.kinds, first)

  const asked = part === 'train' && settings.evalMetrics.length > 0 ? settings.evalSamples : 0
  const key = async () => {
    const { tokenizer: _, ...decides } = preparing
    const read = files.files.map(({ role, bytes }) => [role, bytes])
    const { columns } = settings
    // A chat template may write today's date into prompts.
    const day = prompt.time?.slice(0, 10)
    return cacheKey([packageJson.version, digest, read, await room?.tokenizerDigest(), decides, columns, weights, day, asked, settings.objective])
  }

  const store = new SampleStore(room?.memoryBytes ?? Infinity)
  const tokenised = new TokenisedRows({ ...preparing, template: prompt }, keys.length, store)
  async function* work(): AsyncGenerator<void, PreparedRows> {
    const isUsed = new Uint8Array(keys.length)
    const isHeldOut = new Uint8Array(keys.length)
    for (const number of lists.heldOut) isHeldOut[number] = 1
    const adder = new RowAdder(tokenised, (number) => isHeldOut[number] === 1)
    for (const list of [lists.train, lists.heldOut]) for (const number of list) isUsed[number] = 1
    const onBytes = told('tokenising')
    for await (const [row, number] of files.each({ onBytes, only: (role) => role !== 'mixed' })) {
      if (isUsed[number] === 1) adder.add(row, number)
      yield
    }
    const [from, to] = mixed ?? [0, 0]
    const general = drawMixed(to - from, settings.alpacaMix, tokenised.samplesOf(lists.train), settings.seed)
    const drawn = general.map((row) => row + from)
    isUsed.fill(0)
    for (const number of drawn) isUsed[number] = 1
    for await (const [row, number] of files.each({ onBytes, only: (role) => role === 'mixed' })) {
      if (isUsed[number] === 1) adder.add(row, number)
      yield
    }
    adder.end()
    await files.checkUnchanged()
    return prepareRows(tokenised, {
      train: concatenated(lists.train, drawn),
      heldOut: lists.heldOut,
      packing: preparing.packing,
      maxSeqLength: settings.maxSeqLength,
      file: first?.file,
      rowCount: lists.train.length,
      contextOf: (row) => (isPreference ? undefined : keys.contextOf(row)),
    })
  }
  const finished = async ({ packing, statistics, heldOutRows }: PreparedRows): Promise<Prepared> => ({
    packing,
    prompt,
    statistics,
    notes: isPreference ? [] : [...(part === 'train' ? lists.notes : []), ...unusedKeysNote(unused)],
    questions: asked === 0 ? [] : await questionsAsked(files, heldOutRows, { ...preparing, template: prompt, asked }),
  })
  const dataset = <List extends SampleList>(prepared: Prepared, train: List, held: List, close = () => {}) => ({
    ...prepared,
    samples: part === 'train' ? train : held,
    heldOut: part === 'train' ? held : [],
    tokenizer: model.tokenizer,
    path,
    hash: digest,
    [Symbol.dispose]: close,
  })

  const steps = work()
  const advance = async (until: () => boolean): Promise<PreparedRows | undefined> => {
    for (let next = await steps.next(); ; next = await steps.next()) {
      signal?.throwIfAborted()
      if (next.done) return next.value
      if (until()) return undefined
    }
  }
  const fromFile = async (folder: string): Promise<StreamedDataset> => {
    const prepared = await readPrepared(folder)
    const samples = await SampleFile.open(folder, isPreference)
    const side = async (name: 'train' | 'heldOut'): Promise<Samples> => {
      const chosen = await readNumbers(join(folder, `${name}.bin`), Int32Array)
      return prepared.packing === 'tree' ? new ChosenSamples(samples, chosen) : await takenApart(samples, chosen)
    }
    return dataset<SampleList>(prepared, await side('train'), await side('heldOut'), () => samples[Symbol.dispose]())
  }

  try {
    // What an earlier run prepared is as good; rows that fit into memory are made again as fast.
    if (room && files.bytes > room.memoryBytes / 16) {
      const name = await key()
      if (await isCached(room.cacheDir, name)) return await fromFile(join(room.cacheDir, name))
    }
    const rows = await advance(() => store.isFull)
    if (rows) {
      const of = (chosen: Int32Array) =>
        Array.from(chosen, (number) => store.held[number]!).flatMap((sample) =>
          rows.packing === 'tree' ? [sample] : branchSamples(sample),
        )
      return dataset<readonly Sample[]>(await finished(rows), of(rows.train), of(rows.heldOut))
    }
    if (!room) throw new Error('samples were too many for a memory without a limit')
    const folder = await writeCached(room.cacheDir, await key(), async (temporary) => {
      const file = new SampleFileWriter(temporary)
      try {
        store.moveTo(file)
        const all = (await advance(() => false))!
        await file.finish()
        await writeNumbers(join(temporary, 'train.bin'), all.train)
        await writeNumbers(join(temporary, 'heldOut.bin'), all.heldOut)
        await writeJsonAtomic(join(temporary, preparedFile), await finished(all))
      } finally {
        file.close()
      }
    })
    return await fromFile(folder)
  } finally {
    await steps.return(undefined as never)
  }
}

const preparedFile = 'prepared.json'

/** @throws DatasetError when the file is not whole */
async function readPrepared(folder: string): Promise<Prepared> {
  const file = join(folder, preparedFile)
  try {
    const json = JSON.parse(await readFile(file, 'utf8')) as Prepared
    return { ...json, prompt: parseTemplateJson(json.prompt, file) }
  } catch (error) {
    throw new DatasetError({ file, problem: `${(error as Error).message}; remove the folder` })
  }
}

/** Counts the bytes that are read in a stage. */
function progressOf(totalBytes: number, onPrepare: StreamOptions['onPrepare']) {
  return (stage: PrepareEvent['stage']) => {
    let doneBytes = 0
    return (bytes: Uint8Array): void => {
      doneBytes += bytes.length
      onPrepare?.({ stage, doneBytes, totalBytes })
    }
  }
}

/** How held-out questions are chosen. */
interface AskingOptions {
  readonly tokenizer: ModelDescription['tokenizer']
  readonly template: PromptTemplate
  readonly maxSeqLength: number
  readonly seed: number
  readonly vocabSize: number
  readonly asked: number
}

/** Some questions of held-out rows: their places are counted first, then those that are chosen are made. */
async function questionsAsked(
  files: RowFiles,
  rows: Int32Array,
  { tokenizer, template, maxSeqLength, seed, vocabSize, asked }: AskingOptions,
): Promise<AskedQuestion[]> {
  const wanted = new Set(rows)
  async function* fitting(): AsyncGenerator<AskedQuestion> {
    for await (const [{ row }, number] of files.each()) {
      if (!wanted.has(number)) continue
      for (const question of questionsOf(row, tokenizer, { template, vocabSize }))
        if (question.contextLength + question.prompt.length < maxSeqLength) yield question
    }
  }
  let count = 0
  for await (const _ of fitting()) count++
  const chosen = new Set(sampleIndices(count, asked, seed))
  const questions: AskedQuestion[] = []
  let place = 0
  for await (const question of fitting()) if (chosen.has(place++)) questions.push(question)
  return questions
}
