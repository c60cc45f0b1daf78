// The server's own description, for clients and tools that read OpenAPI.
import { z } from 'zod'
import { chatSchema, completionSchema, embeddingSchema } from './schemas'

type Json = Readonly<Record<string, unknown>>

const jsonSchema = (schema: z.ZodType): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return rest
}

const object = (properties: Json, required: readonly string[] = Object.keys(properties)): Json => ({
  type: 'object',
  properties,
  required,
})
const [text, count] = [{ type: 'string' }, { type: 'integer', minimum: 0 }]
const listOf = (items: Json): Json => ({ type: 'array', items })
const any: Json = {}

const usage = object({ prompt_tokens: count, completion_tokens: count, total_tokens: count })
const completion = (choice: Json): Json =>
  object({ id: text, object: text, created: count, model: text, choices: listOf(choice), usage })

const schemas = {
  Error: object({
    error: object({
      message: text,
      type: text,
      param: { type: ['string', 'null'] },
      code: { type: ['string', 'null'] },
    }),
  }),
  Model: object({ id: text, object: text, created: count, owned_by: text }),
  ChatRequest: jsonSchema(chatSchema),
  ChatCompletion: completion(object({ index: count, message: any, logprobs: any, finish_reason: text })),
  CompletionRequest: jsonSchema(completionSchema),
  Completion: completion(object({ index: count, text, logprobs: any, finish_reason: text })),
  EmbeddingRequest: jsonSchema(embeddingSchema),
  Embeddings: object({
    object: text,
    data: listOf(object({ object: text, index: count, embedding: any })),
    model: text,
    usage: object({ prompt_tokens: count, total_tokens: count }),
  }),
} satisfies Record<string, Json>

const refer = (name: keyof typeof schemas): Json => ({ $ref: `#/components/schemas/${name}` })
const json = (description: string, schema: Json): Json => ({
  description,
  content: { 'application/json': { schema } },
})

const refusals: Readonly<Record<string, string>> = {
  400: 'the request cannot be answered as it is',
  401: 'the key is missing or wrong',
  403: 'the request is for a server of another name, or made by the page of another',
  404: 'there is no such model',
  413: 'the body is too large',
  415: 'the body is not JSON',
  429: 'as many requests as are allowed are in work or wait',
}
const refused = (...statuses: (keyof typeof refusals)[]): Json =>
  Object.fromEntries(statuses.map((status) => [status, json(refusals[status]!, refer('Error'))]))

function post(summary: string, request: keyof typeof schemas, answer: keyof typeof schemas, streams: boolean): Json {
  const events = streams ? { 'text/event-stream': { schema: text } } : {}
  const whole = { 'application/json': { schema: refer(answer) } }
  return {
    post: {
      summary,
      requestBody: { required: true, content: { 'application/json': { schema: refer(request) } } },
      responses: {
        200: { description: 'the answer', content: { ...whole, ...events } },
        ...refused('400', '401', '403', '404', '413', '415', '429'),
      },
    },
  }
}

/** The routes of the server, as OpenAPI 3.1 has them. */
export const openApi = (): Json => ({
  openapi: '3.1.0',
  info: { title: 'JORA', version: '1', description: 'Models that answer, as OpenAI’s API has them.' },
  paths: {
    '/v1/chat/completions': post('Answer a conversation.', 'ChatRequest', 'ChatCompletion', true),
    '/v1/completions': post('Continue prompts as they are.', 'CompletionRequest', 'Completion', true),
    '/v1/embeddings': post('Texts as vectors.', 'EmbeddingRequest', 'Embeddings', false),
    '/v1/models': {
      get: {
        summary: 'The models that are served.',
        responses: {
          200: json('the models', object({ object: text, data: listOf(refer('Model')) })),
          ...refused('401', '403'),
        },
      },
    },
    '/v1/models/{name}': {
      get: {
        summary: 'One of them.',
        parameters: [{ name: 'name', in: 'path', required: true, schema: { type: 'string', minLength: 1 } }],
        responses: { 200: json('the model', refer('Model')), ...refused('401', '403', '404') },
      },
    },
    '/health': {
      get: {
        summary: 'Whether the server is up; needs no key.',
        security: [],
        responses: { 200: json('it is', object({ status: text })) },
      },
    },
    '/metrics': {
      get: {
        summary: 'Figures in Prometheus’s text format.',
        responses: {
          200: { description: 'the figures', content: { 'text/plain': { schema: text } } },
          ...refused('401', '403'),
        },
      },
    },
  },
  components: { schemas, securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
  security: [{}, { key: [] }],
})
