// Reading what a request brings: JSON of a known shape and a bounded size.
import { findUnfit } from '@jora/data'
import type { Context } from 'hono'
import type { z } from 'zod'
import { badValue, Failure, schemaFailure } from './failure'

const jsonLimitBytes = 1 << 20

const tooLarge = (limit: number): Failure =>
  new Failure('too_large', `The request is larger than the ${Math.round(limit / 1024)} KB that are allowed here.`)

/** The whole body. @throws Failure once it is longer than `limit` bytes, without reading on */
async function readText(request: Request, limit: number): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge(limit)
  if (!request.body) return ''
  const chunks: Uint8Array[] = []
  let size = 0
  const reader = request.body.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) break
    size += value.byteLength
    if (size > limit) {
      await reader.cancel().catch(() => {})
      throw tooLarge(limit)
    }
    chunks.push(value)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
  } catch {
    throw new Failure('bad_request', 'The request is not UTF-8 text.')
  }
}

/** A file is sent as what it is. @throws Failure for another type: a form cannot send this one either, see {@link readJson} */
export function checkOctets(c: Context): void {
  if (!/^application\/octet-stream\s*(;|$)/i.test(c.req.header('content-type') ?? ''))
    throw new Failure('bad_request', 'Send the file itself, as application/octet-stream.', [], 415)
}

/** The body as `schema` has it. @throws Failure naming every value at fault */
export async function readJson<T extends z.ZodType>(
  c: Context,
  schema: T,
  limit: number = jsonLimitBytes,
): Promise<z.infer<T>> {
  // Forms cannot send this type: a foreign page would have to ask first, and is told no.
  const type = c.req.header('content-type') ?? ''
  if (!/^application\/json\s*(;|$)/i.test(type))
    throw new Failure('bad_request', 'Send JSON, with the header Content-Type: application/json.', [], 415)
  const text = await readText(c.req.raw, limit)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new Failure('bad_request', `The request is not valid JSON: ${(error as Error).message}`)
  }
  const unfit = findUnfit(value)
  if (unfit) throw badValue(unfit.path, unfit.problem)
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw schemaFailure(parsed.error)
  return parsed.data
}

/** A query parameter that must be there. */
export function queryText(c: Context, name: string): string {
  const value = c.req.query(name)
  if (value === undefined || value === '') throw new Failure('bad_request', `The query lacks “${name}”.`)
  return value
}

/** A query parameter that counts something, if it is there. */
export function queryCount(c: Context, name: string): number | undefined {
  const value = c.req.query(name)
  if (value === undefined || value === '') return undefined
  if (!/^\d{1,15}$/.test(value))
    throw new Failure('bad_request', `The query's “${name}” is not a count: ${value.slice(0, 40)}`)
  return Number(value)
}
