// Server-sent events as OpenAI's clients read them, pulled as fast as the reader takes them.
import { asServeError } from './error'
/**
 * Answers with one event for each chunk, then `[DONE]`. The first chunk is awaited before the answer begins, so that a
 * request that cannot be answered gets its status.
 *
 * @param left called when the reader has left, or all is sent
 */
export async function eventStream(chunks, left) {
  const first = await chunks.next().catch((error) => {
    left(error)
    throw error
  })
  let next = first
  const encoder = new TextEncoder()
  const event = (data) => encoder.encode(`data: ${data}\n\n`)
  const body = new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = next ?? (await chunks.next())
          next = undefined
          if (!done) return controller.enqueue(event(JSON.stringify(value)))
          controller.enqueue(event('[DONE]'))
          controller.close()
          left()
        } catch (error) {
          controller.enqueue(event(JSON.stringify(asServeError(error).body)))
          controller.close()
          left(error)
        }
      },
      async cancel() {
        left(new Error('the reader has left'))
        await chunks.return().catch(() => {})
      },
    },
    { highWaterMark: 0 },
  )
  return new Response(body, {
    headers: {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    },
  })
}
