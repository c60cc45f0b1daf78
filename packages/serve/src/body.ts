// Reading what a request brings: JSON of a known shape and a bounded size.
import { findUnfit } from '@jora/data'
import type { Context } from 'hono'
import type { z } from 'zod'
import { schemaError, ServeError } from './error'

/** The body as `schema` has it. @throws ServeError naming the value at fault, or once the body is longer than `limit` bytes */
export async function readJson<T extends z.ZodType>(c: Context, schema: T, limit: number): Promise<z.infer<T>> {
  // Forms cannot send this type: a foreign page would have to ask first, and is told no.
  if (!/^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? ''))
    throw new ServeError(415, 'send JSON, with the header Content-Type: application/json')
  const tooLarge = () =>
    new ServeError(413, `the request is larger than the ${Math.round(limit / 1024)} KB allowed here`)
  if (Number(c.req.header('content-length') ?? 0) > limit) throw tooLarge()
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.byteLength
    if (size > limit) throw tooLarge()
    chunks.push(chunk)
  }
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)))
  } catch (error) {
    const what = error instanceof SyntaxError ? `valid JSON: ${error.message}` : 'UTF-8 text'
    throw new ServeError(400, `the request is not ${what}`)
  }
  const unfit = findUnfit(value)
  if (unfit) throw new ServeError(400, `${unfit.path}: ${unfit.problem}`, { param: unfit.path })
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw schemaError(parsed.error)
  return parsed.data
}
