// Vectors of texts on disk, by what the texts say: what was embedded once is not embedded again, whatever else has changed.
import { createHash } from 'node:crypto'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { makeFolder, writeFileAtomic } from '@jora/tensor/files'

/** Bytes of a key: the beginning of a text's SHA-256. */
const keyBytes = 16
/** Records that are read at a time. */
const recordsAtOnce = 4096

/** The key of a text. */
const keyOf = (text: string): Buffer => createHash('sha256').update(text).digest().subarray(0, keyBytes)

/**
 * A file of records, each a key and the vector of its text (f32, little-endian). Records are only ever appended, so that a
 * kill loses no more than the last of them; one that is not whole, or has no vector of length 1, counts as absent.
 */
export class VectorStore {
  readonly #file: string
  readonly #width: number
  readonly #handle: FileHandle
  /** By key, in base64. */
  readonly #vectors: ReadonlyMap<string, Float32Array>

  private constructor(file: string, width: number, handle: FileHandle, vectors: ReadonlyMap<string, Float32Array>) {
    this.#file = file
    this.#width = width
    this.#handle = handle
    this.#vectors = vectors
  }

  /**
   * Opens a file, which is made where there is none, and reads the vectors of `texts`. Records of texts that are gone are
   * removed when they are by far the greater part of it.
   *
   * @param width numbers of a vector
   * @throws Error of the system when the file cannot be read or made
   */
  static async open(file: string, width: number, texts: readonly string[]): Promise<VectorStore> {
    await makeFolder(dirname(file))
    const wanted = new Set(texts.map((text) => keyOf(text).toString('base64')))
    const vectors = new Map<string, Float32Array>()
    const recordBytes = keyBytes + 4 * width
    const { records, whole } = await readRecords(file, recordBytes, (record) => {
      const key = record.toString('base64', 0, keyBytes)
      if (!wanted.has(key) || vectors.has(key)) return
      const vector = new Float32Array(width)
      for (let i = 0; i < width; i++) vector[i] = record.readFloatLE(keyBytes + 4 * i)
      if (isUnit(vector)) vectors.set(key, vector)
    })
    if (!whole || records > 4 * vectors.size + 1000)
      await writeFileAtomic(
        file,
        Buffer.concat(Array.from(vectors, ([key, vector]) => recordOf(Buffer.from(key, 'base64'), vector))),
      )
    return new VectorStore(file, width, await open(file, 'a'), vectors)
  }

  /** The vector of a text, where there is one since the file was opened. */
  get(text: string): Float32Array | undefined {
    return this.#vectors.get(keyOf(text).toString('base64'))
  }

  /** Appends the vectors of texts, one after another. @throws Error when there is no room for them */
  async add(texts: readonly string[], vectors: Float32Array): Promise<void> {
    const records = texts.map((text, i) =>
      recordOf(keyOf(text), vectors.subarray(i * this.#width, (i + 1) * this.#width)),
    )
    await this.#handle.appendFile(Buffer.concat(records)).catch((error: Error) => {
      throw new Error(`${this.#file}: ${error.message}`, { cause: error })
    })
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

function recordOf(key: Uint8Array, vector: Float32Array): Buffer {
  const record = Buffer.alloc(keyBytes + 4 * vector.length)
  record.set(key)
  vector.forEach((value, i) => record.writeFloatLE(value, keyBytes + 4 * i))
  return record
}

/** Whether a vector is of length 1, as all that were written are. */
function isUnit(vector: Float32Array): boolean {
  let square = 0
  for (const value of vector) square += value * value
  return Math.abs(square - 1) < 1e-3
}

/** Reads whole records. @returns how many, and whether nothing else is in the file */
async function readRecords(
  file: string,
  recordBytes: number,
  each: (record: Buffer) => void,
): Promise<{ records: number; whole: boolean }> {
  const found = await stat(file).catch(() => undefined)
  if (!found) return { records: 0, whole: true }
  const handle = await open(file, 'r')
  try {
    const records = Math.floor(found.size / recordBytes)
    const buffer = Buffer.alloc(Math.min(records, recordsAtOnce) * recordBytes)
    for (let done = 0; done < records;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, done * recordBytes)
      const count = Math.min(records - done, Math.floor(bytesRead / recordBytes))
      if (count === 0) break
      for (let i = 0; i < count; i++) each(buffer.subarray(i * recordBytes, (i + 1) * recordBytes))
      done += count
    }
    return { records, whole: found.size === records * recordBytes }
  } finally {
    await handle.close()
  }
}
