// Several streams as one, each item as soon as it is there.

/** Items of all streams. Leaving the loop, or an error of one, ends all of them. */
export async function* merged<T>(streams: readonly AsyncGenerator<T, void>[]): AsyncGenerator<T, void> {
  const nextOf = async (stream: AsyncGenerator<T, void>) => ({ stream, result: await stream.next() })
  const waiting = new Map(streams.map((stream) => [stream, nextOf(stream)]))
  try {
    while (waiting.size > 0) {
      const { stream, result } = await Promise.race(waiting.values())
      if (result.done) waiting.delete(stream)
      else {
        waiting.set(stream, nextOf(stream))
        yield result.value
      }
    }
  } finally {
    // Who was asked for an item gives it to nobody, and ends behind it: that may take long.
    for (const [stream, next] of waiting) {
      next.catch(() => {})
      stream.return().catch(() => {})
    }
  }
}
