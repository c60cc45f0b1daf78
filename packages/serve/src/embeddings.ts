// Texts as vectors, in OpenAI's form.
import type { ServedModel } from './models'
import type { EmbeddingRequest } from './schemas'
import { ServeError } from './error'

/** What {@link embeddings} gives: the response's body, and how many tokens were computed. */
interface Embedded {
  readonly body: object
  readonly tokens: number
}

/** Little-endian f32, as clients read it. */
function base64Of(vector: Float32Array): string {
  const bytes = new DataView(new ArrayBuffer(4 * vector.length))
  vector.forEach((x, i) => bytes.setFloat32(4 * i, x, true))
  return Buffer.from(bytes.buffer).toString('base64')
}

/** @throws ServeError for a model that has no vectors, or none of the length that is asked for; what the model throws */
export async function embeddings(
  { name, answerer }: ServedModel,
  { input, encoding_format: format, dimensions }: EmbeddingRequest,
  signal: AbortSignal,
): Promise<Embedded> {
  if (!answerer.embed) throw new ServeError(400, `the model ${name} gives no embeddings`, { param: 'model' })
  const isIds = Array.isArray(input) && typeof input[0] === 'number'
  const texts = (isIds ? [input] : [input].flat()) as readonly (string | readonly number[])[]
  const empty = texts.findIndex((text) => text.length === 0)
  if (empty >= 0) throw new ServeError(400, `input: text ${empty} is empty`, { param: 'input' })
  const { vectors, tokens } = await answerer.embed(texts, { signal })
  const { length } = vectors[0]!
  if (dimensions != null && dimensions !== length)
    throw new ServeError(400, `dimensions: vectors of ${name} have ${length}`, { param: 'dimensions' })
  const data = vectors.map((vector, index) => ({
    object: 'embedding',
    index,
    embedding: format === 'base64' ? base64Of(vector) : [...vector],
  }))
  return {
    body: { object: 'list', data, model: name, usage: { prompt_tokens: tokens, total_tokens: tokens } },
    tokens,
  }
}
