// Rows of files as samples, read one by one: few samples stay in memory, many go to a file that steps read from.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import {
  branchSamples,
  checkedOptions,
  readBytes,
  requireEos,
  unusedKeysNote,
  type PreparedRows,
  type Sample,
} from '@jora/data'
import type { ModelDescription } from '@jora/llama'
import packageJson from '../../package.json' with { type: 'json' }
import type { JoraConfig } from '../settings/jora-config'
import type { SampleList } from '../train/samples'
import { completeKept, openKept, type Prepared } from './kept-samples'
import { columnsOf, evalSplits, type DatasetOptions, type JoraDataset } from './options'
import { stageBytes, type PrepareEvent } from './progress'
import { RowFiles } from './row-files'
import { cacheKey, isCached, samplesDir, tokenizerDigest, writeCached } from './sample-cache'
import { SampleFileWriter } from './sample-file'
import { SampleStore } from './sample-store'
import { questionsAsked, readAll, tokenising, type PrepareRules } from './tokenising'

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

/** Samples in memory take at most so many bytes for each byte of the files: those of smaller files need no other place. */
const mostBytesPerByte = 16

/**
 * As `generateAlpacaDataset`, of files of any size: rows of large ones are read twice, one at a time, first for the split and
 * then to be tokenised. The samples, their order and the run are the same wherever the samples are.
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
  { onDownload, signal, onPrepare }: Omit<StreamOptions, 'cacheDir' | 'memoryBytes'>,
  room?: SampleRoom,
): Promise<StreamedDataset> {
  const { settings } = config
  requireEos(model.tokenizer)
  const rules = rulesOf(config, model)
  const unused = new Set<string>()
  const files = await RowFiles.open({
    dataset: path,
    evalDataset: settings.evalDataset,
    mixFile: settings.alpacaMixFile,
    objective: settings.objective,
    reading: { columns: columnsOf(settings.columns), onUnusedKey: (key) => void unused.add(key) },
    hub: { onProgress: onDownload, signal },
    evalSplits,
    heldBytes: room ? room.memoryBytes / mostBytesPerByte : Infinity,
  })
  const told = (stage: PrepareEvent['stage']) => stageBytes(stage, files.bytes, onPrepare)
  const asked = part === 'train' && settings.evalMetrics.length > 0 ? settings.evalSamples : 0
  const { columns, objective } = settings
  const keyFor = async ({ tokenizerDigest: digest }: SampleRoom, hash: string, template = rules.template) => {
    const { tokenizer, ...decides } = { ...rules, template }
    const read = files.files.map(({ role, bytes }) => [role, bytes])
    const known = [packageJson.version, hash, read, await digest(), decides, columns, objective, part, asked]
    // A chat template may write today's date into prompts.
    const isDated = tokenizer.chatTemplate?.includes('strftime_now') === true
    return cacheKey([...known, isDated ? new Date().toISOString().slice(0, 10) : null])
  }
  const dataset = (prepared: Prepared, hash: string, train: SampleList, held: SampleList, close = () => {}) => ({
    ...prepared,
    samples: part === 'train' ? train : held,
    heldOut: part === 'train' ? held : [],
    tokenizer: model.tokenizer,
    path,
    hash,
    [Symbol.dispose]: close,
  })
  const fromFile = async (folder: string, hash: string): Promise<StreamedDataset> => {
    const kept = await openKept(folder, rules.isPreference)
    return dataset(kept.prepared, hash, kept.train, kept.heldOut, () => kept[Symbol.dispose]())
  }

  if (room && files.areLarge) {
    const hash = await hashFiles(files, told('checking'), signal)
    // A run that goes on names the template that `auto` came to when it began.
    for (const template of new Set([rules.template, 'auto'] as const)) {
      const key = await keyFor(room, hash, template)
      if (!(await isCached(room.cacheDir, key))) continue
      const kept = await fromFile(join(room.cacheDir, key), hash)
      if (template === rules.template || kept.prompt?.name === rules.template) return kept
      kept[Symbol.dispose]()
    }
  }

  const read = await readAll(files, rules, told('reading'), signal)
  const { hash, prompt, lists } = read
  const store = new SampleStore(room?.memoryBytes ?? Infinity)
  const rows = tokenising(files, read, rules, store, told('tokenising'))
  const advance = async (until: () => boolean) => {
    for (let next = await rows.next(); ; next = await rows.next()) {
      signal?.throwIfAborted()
      if (next.done) return next.value
      if (until()) return undefined
    }
  }
  const finished = async ({ packing, statistics, heldOutRows }: PreparedRows): Promise<Prepared> => {
    const notes = rules.isPreference ? [] : [...(part === 'train' ? lists.notes : []), ...unusedKeysNote(unused)]
    const questions = asked === 0 ? [] : await questionsAsked(files, heldOutRows, prompt, rules, asked)
    return { packing, prompt, statistics, notes, questions }
  }
  try {
    const all = await advance(() => store.isFull)
    if (all) {
      const of = (chosen: Int32Array): Sample[] =>
        Array.from(chosen, (number) => store.held[number]!).flatMap((sample) =>
          all.packing === 'tree' ? [sample] : branchSamples(sample),
        )
      return dataset(await finished(all), hash, of(all.train), of(all.heldOut))
    }
    if (!room) throw new Error('samples were too many for a memory without a limit')
    const folder = await writeCached(room.cacheDir, await keyFor(room, hash), async (temporary) => {
      const file = new SampleFileWriter(temporary)
      try {
        store.moveTo(file)
        const rest = (await advance(() => false))!
        await completeKept(temporary, file, rest, await finished(rest))
      } finally {
        file.close()
      }
    })
    return await fromFile(folder, hash)
  } finally {
    await rows.return(undefined as never)
  }
}

/** How a config's rows are prepared. @throws RangeError | TokenIdError for settings or a tokenizer that do not fit */
function rulesOf({ settings }: JoraConfig, model: Pick<ModelDescription, 'tokenizer' | 'config'>): PrepareRules {
  const isPreference = (settings.objective ?? 'sft') !== 'sft'
  return checkedOptions({
    tokenizer: model.tokenizer,
    template: settings.promptTemplate,
    contextTemplate: settings.contextTemplate,
    packing: isPreference ? 'tree' : settings.packing,
    maxSeqLength: settings.maxSeqLength,
    onOverflow: settings.onOverflow,
    split: settings.split,
    seed: settings.seed,
    vocabSize: model.config.vocabSize,
    mix: settings.alpacaMix,
    weights: settings.datasetWeights?.split(',').map(Number),
    isPreference,
  })
}

/** SHA-256 of files, one after another. */
async function hashFiles(
  { files }: RowFiles,
  onBytes: (bytes: Uint8Array) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  const hash = createHash('sha256')
  for (const { path } of files)
    for await (const bytes of readBytes(path, { onBytes })) {
      signal?.throwIfAborted()
      hash.update(bytes)
    }
  return hash.digest('hex')
}
