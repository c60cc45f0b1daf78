import { schemaError, ServeError } from './error'
/** The body as `schema` has it. @throws ServeError naming the value at fault, or once the body is longer than `limit` bytes */
export async function readJson(c, schema, limit) {
  // Forms cannot send this type: a foreign page would have to ask first, and is told no.
  if (!/^application\/json\s*(;|$)/i.test(c.req.header('content-type') ?? ''))
    throw new ServeError(415, 'send JSON, with the header Content-Type: application/json')
  const tooLarge = () =>
    new ServeError(413, `the request is larger than the ${Math.round(limit / 1024)} KB allowed here`)
  if (Number(c.req.header('content-length') ?? 0) > limit) throw tooLarge()
  const chunks = []
  let size = 0
  for await (const chunk of c.req.raw.body ?? []) {
    size += chunk.byteLength
    if (size > limit) throw tooLarge()
    chunks.push(chunk)
  }
  let value
  try {
    value = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  } catch (error) {
    throw new ServeError(400, `the request is no valid JSON: ${error.message}`)
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw schemaError(parsed.error)
  return parsed.data
}
