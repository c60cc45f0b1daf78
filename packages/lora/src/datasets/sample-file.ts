// Samples in files: token ids one after another, which steps read by range, and the figures that plans are made of.
import { closeSync, openSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  countTargets,
  DatasetError,
  IGNORED_LABEL,
  noSample,
  Numbers,
  reach,
  type PreferenceSample,
  type Sample,
  type Samples,
  type SampleSink,
} from '@jora/data'
import { SharedFile, writeFileAtomic } from '@jora/tensor/files'

const wordBytes = Int32Array.BYTES_PER_ELEMENT
const samplesFile = 'samples.bin'

/** What a record begins with; −1 is none. The places of branches, the ids, and what is learned of them follow. */
const header = ['row', 'question', 'contextLength', 'sign', 'branches', 'length', 'hasOwnLabels'] as const

/** A record of 32-bit words. Labels are a bit for each token, as most are the token or none; else they are written whole. */
function recordOf(sample: Sample): Int32Array {
  const { ids, labels, row, question = -1, contextLength = -1, branches = [] } = sample
  const { sign = 0 } = sample as Partial<PreferenceSample>
  const hasOwnLabels = labels.some((label, t) => label !== IGNORED_LABEL && label !== ids[t])
  const learned = hasOwnLabels ? labels : new Int32Array(Math.ceil(ids.length / 32))
  if (!hasOwnLabels) labels.forEach((label, t) => label !== IGNORED_LABEL && (learned[t >> 5]! |= 1 << (t & 31)))
  const record = new Int32Array(header.length + 3 * branches.length + ids.length + learned.length)
  record.set([row, question, contextLength, sign, branches.length, ids.length, Number(hasOwnLabels)])
  let at = header.length
  for (const { start, contextLength: sees, question: number } of branches) {
    record.set([start, sees, number], at)
    at += 3
  }
  record.set(ids, at)
  record.set(learned, at + ids.length)
  return record
}

function sampleOf(record: Int32Array): Sample {
  const [row = 0, question = -1, contextLength = -1, sign = 0, branchCount = 0, length = 0, hasOwnLabels = 0] = record
  let at: number = header.length
  const branches = Array.from({ length: branchCount }, () => {
    const [start = 0, sees = 0, number = 0] = record.subarray(at, (at += 3))
    return { start, contextLength: sees, question: number }
  })
  const ids = record.slice(at, (at += length))
  const learned = record.subarray(at)
  const isLearned = (t: number) => ((learned[t >> 5]! >>> (t & 31)) & 1) === 1
  const labels = hasOwnLabels ? learned.slice() : ids.map((id, t) => (isLearned(t) ? id : IGNORED_LABEL))
  return {
    ids,
    labels,
    row,
    ...(question >= 0 && { question }),
    ...(contextLength >= 0 && { contextLength }),
    ...(branchCount > 0 && { branches }),
    ...(sign !== 0 && { sign }),
  }
}

/** Figures of a sample that are in memory, beside where it is in the file: 28 bytes in all. */
const figures = ['tokens', 'targets', 'reach', 'branches', 'context'] as const
type Figure = (typeof figures)[number]
const figuresIn = (sample: Sample): Readonly<Record<Figure, number>> => ({
  tokens: sample.ids.length,
  targets: countTargets(sample),
  reach: reach(sample),
  branches: sample.branches?.length ?? 0,
  context: sample.contextLength ?? 0,
})

/** Words that are collected before they are written. */
const blockWords = 2 ** 18

/** Writes samples into a folder, in order. Its files are whole once `finish` has returned. */
export class SampleFileWriter implements SampleSink {
  readonly #folder: string
  readonly #descriptor: number
  readonly #block = new Int32Array(blockWords)
  #filled = 0
  readonly #ends = new Numbers(Float64Array)
  readonly #columns = figures.map((name) => [name, new Numbers(Int32Array)] as const)

  constructor(folder: string) {
    this.#folder = folder
    this.#descriptor = openSync(join(folder, samplesFile), 'wx')
  }

  get length(): number {
    return this.#ends.length
  }

  push(sample: Sample): void {
    const record = recordOf(sample)
    const from = this.length === 0 ? 0 : this.#ends.at(this.length - 1)
    this.#ends.push(from + record.length)
    const known = figuresIn(sample)
    for (const [name, column] of this.#columns) column.push(known[name])
    if (this.#filled + record.length > blockWords) this.#flush()
    if (record.length > blockWords) this.#write(record)
    else {
      this.#block.set(record, this.#filled)
      this.#filled += record.length
    }
  }

  #flush(): void {
    this.#write(this.#block.subarray(0, this.#filled))
    this.#filled = 0
  }

  #write(words: Int32Array): void {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
    for (let done = 0; done < bytes.length;) done += writeSync(this.#descriptor, bytes, done)
  }

  async finish(): Promise<void> {
    this.#flush()
    await writeNumbers(join(this.#folder, 'ends.bin'), this.#ends.whole())
    for (const [name, column] of this.#columns) await writeNumbers(join(this.#folder, `${name}.bin`), column.whole())
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

/** Writes a typed array as it is in memory. */
export const writeNumbers = (path: string, { buffer, byteOffset, byteLength }: Int32Array | Float64Array) =>
  writeFileAtomic(path, new Uint8Array(buffer, byteOffset, byteLength))

/** Reads what {@link writeNumbers} wrote. */
export async function readNumbers<A extends Int32Array | Float64Array>(
  path: string,
  type: { new (buffer: ArrayBuffer): A },
): Promise<A> {
  return new type(Uint8Array.from(await readFile(path)).buffer)
}

/** Samples in the files of a folder; close them when done. */
export class SampleFile implements Samples, Disposable {
  readonly arePreferences: boolean
  readonly #file: SharedFile
  readonly #ends: Float64Array
  readonly #columns: Readonly<Record<Figure, Int32Array>>

  private constructor(
    file: SharedFile,
    ends: Float64Array,
    columns: Readonly<Record<Figure, Int32Array>>,
    arePreferences: boolean,
  ) {
    ;[this.#file, this.#ends, this.#columns, this.arePreferences] = [file, ends, columns, arePreferences]
  }

  /** @throws Node's error when a file is missing; DatasetError when they are not those of one writer */
  static async open(folder: string, arePreferences: boolean): Promise<SampleFile> {
    const ends = await readNumbers(join(folder, 'ends.bin'), Float64Array)
    const columns: [Figure, Int32Array][] = []
    for (const name of figures) columns.push([name, await readNumbers(join(folder, `${name}.bin`), Int32Array)])
    const file = SharedFile.open(join(folder, samplesFile))
    if (file.length === (ends.at(-1) ?? 0) * wordBytes && columns.every(([, column]) => column.length === ends.length))
      return new SampleFile(file, ends, Object.fromEntries(columns) as Record<Figure, Int32Array>, arePreferences)
    file.close()
    throw new DatasetError({ file: folder, problem: 'the prepared samples are not whole; remove the folder' })
  }

  get length(): number {
    return this.#ends.length
  }

  tokensOf(index: number): number {
    return this.#columns.tokens[index]!
  }

  targetsOf(index: number): number {
    return this.#columns.targets[index]!
  }

  reachOf(index: number): number {
    return this.#columns.reach[index]!
  }

  branchesOf(index: number): number {
    return this.#columns.branches[index]!
  }

  contextOf(index: number): number {
    return this.#columns.context[index]!
  }

  #startOf(index: number): number {
    return index === 0 ? 0 : this.#ends[index - 1]!
  }

  /** Those that are one after another in the file are read at once. */
  async read(indices: readonly number[]): Promise<Sample[]> {
    const outside = indices.find((index) => !(index >= 0 && index < this.length))
    if (outside !== undefined) throw noSample(outside, this)
    const samples: Sample[] = []
    for (let i = 0; i < indices.length;) {
      let end = i + 1
      while (end < indices.length && indices[end] === indices[end - 1]! + 1) end++
      const [first, last] = [indices[i]!, indices[end - 1]!]
      const from = this.#startOf(first)
      const words = new Int32Array(this.#ends[last]! - from)
      const read = await this.#file.read(new Uint8Array(words.buffer), from * wordBytes)
      if (read < words.byteLength)
        throw new DatasetError({
          file: this.#file.realPath,
          problem: 'the prepared samples were cut while they were read',
        })
      for (; i < end; i++)
        samples.push(sampleOf(words.subarray(this.#startOf(indices[i]!) - from, this.#ends[indices[i]!]! - from)))
    }
    return samples
  }

  [Symbol.dispose](): void {
    this.#file.close()
  }
}
