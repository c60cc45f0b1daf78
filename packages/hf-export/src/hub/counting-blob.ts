// A request body that says how much of it has been read.

/** Bytes of `content`, streamed; a Blob, so that fetch sends its length ahead, which storage asks for. */
export class CountingBlob extends Blob {
  readonly #content: Blob
  readonly #onBytes: (bytes: number) => void

  constructor(content: Blob, onBytes: (bytes: number) => void) {
    super([])
    Object.defineProperty(this, 'size', { value: content.size })
    this.#content = content
    this.#onBytes = onBytes
  }

  override stream(): ReturnType<Blob['stream']> {
    const count = new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        this.#onBytes(chunk.byteLength)
        controller.enqueue(chunk)
      },
    })
    return this.#content.stream().pipeThrough(count)
  }
}
