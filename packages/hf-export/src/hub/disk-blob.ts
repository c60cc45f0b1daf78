// A part of a file as a Blob that is read when it is needed.
import { open } from 'node:fs/promises'

const chunkBytes = 2 ** 20

/**
 * Bytes `start` to `end` of the file at `path`. @huggingface/hub takes `file:` URLs too, but streams them through Node's
 * `Readable.toWeb`, which counts its 65,536 bytes as chunks and reads up to 4 GB ahead of the network.
 */
export class DiskBlob extends Blob {
  readonly #path: string
  readonly #start: number
  readonly #end: number

  constructor(path: string, start: number, end: number) {
    super([])
    this.#path = path
    this.#start = start
    this.#end = end
    Object.defineProperty(this, 'size', { value: end - start })
  }

  override slice(start = 0, end = this.size): DiskBlob {
    const inside = (at: number) => Math.min(this.#start + at, this.#end)
    return new DiskBlob(this.#path, inside(start), inside(end))
  }

  override stream(): ReturnType<Blob['stream']> {
    const chunks = this.#chunks()
    return new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          const { done, value } = await chunks.next()
          if (done) controller.close()
          else controller.enqueue(value)
        },
        cancel: () => void chunks.return(undefined),
      },
      { highWaterMark: 0 },
    )
  }

  override arrayBuffer(): Promise<ArrayBuffer> {
    return new Response(this.stream()).arrayBuffer()
  }

  override text(): Promise<string> {
    return new Response(this.stream()).text()
  }

  async *#chunks(): AsyncGenerator<Uint8Array, undefined> {
    const file = await open(this.#path)
    try {
      for (let at = this.#start; at < this.#end;) {
        const chunk = new Uint8Array(Math.min(chunkBytes, this.#end - at))
        const { bytesRead } = await file.read(chunk, 0, chunk.byteLength, at)
        if (bytesRead === 0) throw new Error(`${this.#path} is shorter than it was`)
        at += bytesRead
        yield chunk.subarray(0, bytesRead)
      }
    } finally {
      await file.close()
    }
  }
}
